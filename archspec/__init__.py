"""archspec: declare a vision backbone, know its exact cost, build it, search around it."""

__version__ = "0.1.0"
