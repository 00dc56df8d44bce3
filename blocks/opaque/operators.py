"""Operators of torch inside modules that are not made of layers: what is free, what is counted, what is refused.

The reasoning is fvcore's. What works element by element (`exp`, `sqrt`, `mul`) or reduces (`sum`, `softmax`) is free,
and so is whatever is written out of such operators: a norm is a product, a sum and a root. Products that are summed
over an index that both operands have (matmuls, convolutions) are counted, and so are weighted sums of neighbours
(resizing) and the norms that torch has as one operator. What multiplies and adds by an algorithm of its own is refused.
docs/reference/counting.md shows the table.
"""

from __future__ import annotations

from collections.abc import Mapping

_PREFIX = "aten::"

FREE: Mapping[str, str] = {
    "element by element": """
        abs absolute acos acosh add addcdiv addcmul angle arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin
        asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor
        ceil clamp clamp_max clamp_min clip complex conj conj_physical copysign cos cosh deg2rad digamma div divide erf
        erfc erfinv exp exp2 expm1 fix float_power floor floor_divide fmod frac frexp gcd hypot i0 igamma igammac imag
        lcm ldexp lerp lgamma log log10 log1p log2 logaddexp logaddexp2 logit mul multiply mvlgamma nan_to_num neg
        negative nextafter polar polygamma positive pow rad2deg real reciprocal remainder round rsqrt rsub sgn sign sin
        sinc sinh special_airy_ai special_bessel_j0 special_bessel_j1 special_bessel_y0 special_bessel_y1
        special_chebyshev_polynomial_t special_chebyshev_polynomial_u special_chebyshev_polynomial_v
        special_chebyshev_polynomial_w special_digamma special_entr special_erf special_erfc special_erfcx
        special_erfinv special_exp2 special_expit special_expm1 special_gammainc special_gammaincc special_gammaln
        special_hermite_polynomial_h special_hermite_polynomial_he special_i0 special_i0e special_i1 special_i1e
        special_laguerre_polynomial_l special_legendre_polynomial_p special_log1p special_log_ndtr special_logit
        special_modified_bessel_i0 special_modified_bessel_i1 special_modified_bessel_k0 special_modified_bessel_k1
        special_multigammaln special_ndtr special_ndtri special_polygamma special_psi special_round
        special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1 special_shifted_chebyshev_polynomial_t
        special_shifted_chebyshev_polynomial_u special_shifted_chebyshev_polynomial_v
        special_shifted_chebyshev_polynomial_w special_sinc special_spherical_bessel_j0 special_xlog1py special_xlogy
        special_zeta sqrt square sub subtract tan true_divide trunc xlogy
        """,
    "comparisons and choices": """
        __and__ __or__ __xor__ allclose eq equal fmax fmin ge greater greater_equal gt heaviside isclose isfinite isin
        isinf isnan isneginf isposinf isreal le less less_equal logical_and logical_not logical_or logical_xor lt
        maximum minimum ne not_equal signbit where
        """,
    "activations": """
        celu elu gelu glu hardshrink hardsigmoid hardswish hardtanh leaky_relu log_sigmoid log_softmax mish prelu relu
        relu6 rrelu selu sigmoid silu softmax softplus softshrink special_log_softmax special_softmax tanh threshold
        """,
    "reductions and running sums": """
        all amax amin aminmax any argmax argmin bincount count_nonzero cummax cummin cumprod cumsum cumulative_trapezoid
        diff gradient histc histogram histogramdd index_add index_reduce logcumsumexp logsumexp max mean median min
        nanmean nanmedian nanquantile nansum prod quantile scatter_add scatter_reduce special_logsumexp std std_mean sum
        sum_to_size trace trapezoid trapz var var_mean
        """,
    "norms of vectors": """
        _weight_norm dist frobenius_norm linalg_norm linalg_vector_norm norm norm_except_dim pairwise_distance renorm
        """,
    "sorting and searching": """
        argsort argwhere bucketize kthvalue mode msort nonzero nonzero_numpy nonzero_static searchsorted sort topk
        unique_consecutive unique_dim unique_dim_consecutive
        """,
    "pooling in windows": """
        adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d
        fractional_max_pool2d fractional_max_pool3d max_pool1d max_pool1d_with_indices max_pool2d
        max_pool2d_with_indices max_pool3d max_pool3d_with_indices max_unpool2d max_unpool3d
        """,
    "outer products": """
        cartesian_prod ger kron outer
        """,
    "shapes and memory": """
        adjoint alias arange as_strided as_strided_scatter atleast_1d atleast_2d atleast_3d bartlett_window
        blackman_window block_diag broadcast_tensors broadcast_to cat chalf channel_shuffle chunk clone col2im
        column_stack combinations concat concatenate constant_pad_nd contiguous copy detach diag diag_embed diagflat
        diagonal diagonal_scatter dim dsplit dstack embedding empty empty_like empty_permuted empty_strided expand
        expand_as eye fft_fftfreq fft_fftshift fft_ifftshift fft_rfftfreq fill fill_diagonal flatten flip fliplr flipud
        full full_like gather hamming_window hann_window hsplit hstack im2col index index_copy index_fill index_put
        index_select item kaiser_window lift lift_fresh linalg_diagonal linspace logspace mH mT masked_fill
        masked_scatter masked_select matrix_H meshgrid moveaxis movedim narrow native_channel_shuffle new_empty
        new_empty_strided new_full new_ones new_zeros numel numpy_T one_hot ones ones_like pad pad_sequence permute
        pixel_shuffle pixel_unshuffle put range ravel reflection_pad1d reflection_pad2d reflection_pad3d repeat
        repeat_interleave replication_pad1d replication_pad2d replication_pad3d reshape reshape_as resolve_conj
        resolve_neg roll rot90 row_stack scalar_tensor scatter select select_scatter size slice slice_inverse
        slice_scatter split split_with_sizes squeeze stack swapaxes swapdims t take take_along_dim tensor_split tile to
        transpose tril tril_indices triu triu_indices type_as unbind unflatten unfold unsafe_chunk unsafe_split
        unsafe_split_with_sizes unsqueeze vander view view_as view_as_complex view_as_real vsplit vstack zero zeros
        zeros_like
        """,
    "random numbers": """
        alpha_dropout bernoulli binomial cauchy dropout exponential feature_alpha_dropout feature_dropout geometric
        log_normal multinomial native_dropout normal poisson rand rand_like randint randint_like randn randn_like random
        randperm uniform
        """,
}
"""Operators without counted multiply-adds, by kind. A name stands for the operator that works in place as well."""

COUNTED: Mapping[str, str] = {
    "convolution": "_convolution _convolution_mode",
    "linear": "addmm linear mm",
    "attention, written-out matmuls": """
        addbmm addmv baddbmm bmm dot einsum inner linalg_vecdot matmul mv scaled_dot_product_attention tensordot vdot
        """,
    "batch norm": "batch_norm",
    "layer, group and instance norm": "group_norm instance_norm layer_norm",
    "RMS norm": "rms_norm",
    "global and adaptive average pool": "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d",
    "nearest resize": """
        _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d upsample_nearest1d
        upsample_nearest2d upsample_nearest3d
        """,
    "linear, bilinear, trilinear, bicubic resize": """
        grid_sampler upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_trilinear3d
        """,
}
"""Operators with a rule, by the row of docs/reference/counting.md that states it."""

REFUSED: Mapping[str, str] = {
    "Fourier transforms": """
        fft_fft fft_fft2 fft_fftn fft_hfft fft_hfft2 fft_hfftn fft_ifft fft_ifft2 fft_ifftn fft_ihfft fft_ihfft2
        fft_ihfftn fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftn istft stft
        """,
    "recurrent cells": """
        gru gru_cell lstm lstm_cell rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell
        """,
    "distances and similarities of all pairs": """
        cdist corrcoef cosine_similarity cov pdist
        """,
    "linear algebra": """
        addr affine_grid_generator bilinear chain_matmul cholesky cholesky_inverse cholesky_solve conv_tbc cross det
        geqrf inverse linalg_cholesky linalg_cholesky_ex linalg_cond linalg_cross linalg_det linalg_eig linalg_eigh
        linalg_eigvals linalg_eigvalsh linalg_householder_product linalg_inv linalg_inv_ex linalg_ldl_factor
        linalg_ldl_factor_ex linalg_ldl_solve linalg_lstsq linalg_lu linalg_lu_factor linalg_lu_factor_ex
        linalg_lu_solve linalg_matmul linalg_matrix_exp linalg_matrix_norm linalg_matrix_power linalg_matrix_rank
        linalg_multi_dot linalg_pinv linalg_qr linalg_slogdet linalg_solve linalg_solve_ex linalg_solve_triangular
        linalg_svd linalg_svdvals linalg_tensorinv linalg_tensorsolve linalg_vander logdet lu_solve lu_unpack
        matrix_exp matrix_power nuclear_norm orgqr ormqr pinverse qr slogdet svd triangular_solve
        """,
    "weighted sums of a varying number of terms": """
        _upsample_bicubic2d_aa _upsample_bilinear2d_aa embedding_bag segment_reduce
        """,
}
"""Operators that multiply and add by an algorithm of their own, by kind: no rule says how much they cost."""

_FREE = {name for names in FREE.values() for name in names.split()}
_REFUSED = {name: kind for kind, names in REFUSED.items() for name in names.split()}


def is_free(operator: str) -> bool:
    """Whether an operator, as `aten::name`, has no counted multiply-adds."""
    return operator.startswith(_PREFIX) and _plain(operator) in _FREE


def refusal(operator: str) -> str:
    """The reason why an operator that is neither free nor counted is refused, in words."""
    kind = _REFUSED.get(_plain(operator))
    if kind is not None:
        return f"has no counting rule: {kind} multiply and add by an algorithm of their own"
    return "has no counting rule, and is not among the free ones of docs/reference/counting.md"


def _plain(operator: str) -> str:
    """The name of the operator that does not work in place."""
    name = operator.removeprefix(_PREFIX)
    return name if name.startswith("__") else name.removesuffix("_")
