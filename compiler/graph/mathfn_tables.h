/* Polynomial coefficients of mathfn.c, lowest degree first. Made by tools/fit_mathfn.py. */
#ifndef BMC_GRAPH_MATHFN_TABLES_H
#define BMC_GRAPH_MATHFN_TABLES_H

/* e^r = 1 + r + r²·Q(r), |r| <= ln2/2 */
/* weighted error 2^-28.1 */
static const double exp_q_f32[] = {
    0x1.fffffc0000000p-2, 0x1.55548a0000000p-3,  0x1.5558a00000000p-5,
    0x1.123f7a0000000p-7, 0x1.6a68300000000p-10,
};
/* weighted error 2^-57.7 */
static const double exp_q_f64[] = {
    0x1.000000000000bp-1,  0x1.55555555554fcp-3,  0x1.5555555550070p-5,  0x1.1111111126ee2p-7,
    0x1.6c16c185ec455p-10, 0x1.a01a0130a14dbp-13, 0x1.a019953db06dep-16, 0x1.71df127b46de0p-19,
    0x1.28b1f0ad62cc7p-22, 0x1.ada5590d7d133p-26,
};

/* tanh r = r + r³·P(r²), |r| <= ln2/4 */
/* weighted error 2^-32.4 */
static const double tanh_p_f32[] = {
    -0x1.55554e0000000p-2,
    0x1.1105820000000p-3,
    -0x1.afcb880000000p-5,
};

/* tanh r = r + r³·P(r²), |r| <= ln2/4 + 0.086 */
/* weighted error 2^-56.9 */
static const double tanh_p_f64[] = {
    -0x1.55555555554afp-2, 0x1.11111110f2658p-3, -0x1.ba1ba17cd8f84p-5,  0x1.664f2b77e3cecp-6,
    -0x1.2266d43b95971p-7, 0x1.d4c1f174023b6p-9, -0x1.56b568444d6bep-10,
};

/* log(1 + f) = f - f²/2 + f³·P(f), sqrt(1/2) <= 1 + f < sqrt(2) */
/* weighted error 2^-27.3 */
static const double log_p_f32[] = {
    0x1.55554a0000000p-2, -0x1.0002200000000p-2, 0x1.99a5a60000000p-3, -0x1.5478880000000p-3,
    0x1.226d840000000p-3, -0x1.0ce02e0000000p-3, 0x1.07d3f40000000p-3, -0x1.41f3600000000p-4,
};

/* 2·atanh(s) = 2s + s³·P(s²), s² <= 0.0295 */
/* weighted error 2^-66.6 */
static const double atanh_1_f64[] = {
    0x1.5555555555555p-1, 0x1.9999999999d13p-2, 0x1.249249243940fp-2, 0x1.c71c724bc1ddfp-3,
    0x1.745ce1a87c9d1p-3, 0x1.3b202a84bae2cp-3, 0x1.0f66b39a5a7ecp-3, 0x1.0f1338b1c024bp-3,
};

/* 2·atanh(s) = 2s + s³·2/3 + s⁵·P(s²), s² <= 0.0295 */
/* weighted error 2^-35.8 */
static const double atanh_2_f32[] = {
    0x1.999a000000000p-2,
    0x1.24527a0000000p-2,
    0x1.dfa3020000000p-3,
};
/* weighted error 2^-76.0 */
static const double atanh_2_f64[] = {
    0x1.999999999999ap-2, 0x1.2492492492364p-2, 0x1.c71c71c747a6dp-3,
    0x1.745d172bffaf9p-3, 0x1.3b13ba435f530p-3, 0x1.110f21bfa6222p-3,
    0x1.e263fcf7ea6e2p-4, 0x1.a524e387c66a6p-4, 0x1.ebcb2785bc093p-4,
};

/* sin r = r + r³·P(r²), |r| <= 0.83 */
/* weighted error 2^-27.3 */
static const double sin_p_f32[] = {
    -0x1.5555400000000p-3,
    0x1.1105180000000p-7,
    -0x1.9888ac0000000p-13,
};
/* weighted error 2^-56.8 */
static const double sin_p_f64[] = {
    -0x1.555555555553cp-3, 0x1.111111110e4d4p-7,   -0x1.a01a0199a891cp-13,
    0x1.71de336c7ab6fp-19, -0x1.ae5cd6b44529cp-26, 0x1.5d2247b361fd4p-33,
};

/* cos r = 1 - r²/2 + r⁴·P(r²), |r| <= 0.83 */
/* weighted error 2^-32.4 */
static const double cos_p_f32[] = {
    0x1.5555460000000p-5,
    -0x1.6c09c00000000p-10,
    0x1.993b700000000p-16,
};
/* weighted error 2^-62.9 */
static const double cos_p_f64[] = {
    0x1.5555555555542p-5,   -0x1.6c16c16c13cb9p-10, 0x1.a01a019ab177ep-16,
    -0x1.27e4f69e5bed5p-22, 0x1.1ee8f9ebaee54p-29,  -0x1.8f343a5e98e54p-37,
};

/* erf x = x + x·P(x²), |x| <= 0.93 */
/* weighted error 2^-25.9 */
static const double erf_small_f32[] = {
    0x1.06eba60000000p-3,  -0x1.8126ec0000000p-2, 0x1.ce1b640000000p-4,
    -0x1.b697c80000000p-6, 0x1.477c940000000p-8,  -0x1.3b04ac0000000p-11,
};
/* weighted error 2^-56.2 */
static const double erf_small_f64[] = {
    0x1.06eba8214db69p-3,  -0x1.812746b037a21p-2,  0x1.ce2f21a045333p-4,  -0x1.b82ce3132e6e1p-6,
    0x1.565bcd24adc06p-8,  -0x1.c02db770d42f2p-11, 0x1.f9a3794ad93cbp-14, -0x1.f4d6febd8fba3p-17,
    0x1.ba0b1469bd701p-20, -0x1.5fbd7336c543fp-23, 0x1.f3c82a9b0d0cep-27, -0x1.05bd1fe8f877bp-30,
};

/* erf a = 1 - exp(a·P(a)), a > 0.92 */
/* weighted error 2^-30.5 */
static const double erf_large_f32[] = {
    -0x1.20ef640000000p+0, -0x1.4530300000000p-1, -0x1.b345980000000p-4,  0x1.85c2ee0000000p-6,
    -0x1.df249a0000000p-9, 0x1.55f0960000000p-12, -0x1.8420dc0000000p-17,
};

/* erf a = 1 - exp(a·P(a)), a > 0.92 */
/* weighted error 2^-57.3 */
static const double erf_large_f64[] = {
    -0x1.20dd74c7914d9p+0,  -0x1.45f309da3f836p-1,  -0x1.a4f4ca39bd7a2p-4,  0x1.396aadac5840ap-6,
    0x1.ab7e4c10520d2p-13,  -0x1.b8d41322ea529p-10, 0x1.2770027a476fap-11,  0x1.471a16f7cbefbp-17,
    -0x1.a72d1a44d9ca8p-14, 0x1.ec1bc68931a0dp-15,  -0x1.664b0783acdbdp-16, 0x1.7d9ba42ab739ap-18,
    -0x1.3429c8e07515ep-20, 0x1.787724477b2e8p-23,  -0x1.529f12a130a0fp-26, 0x1.a800cb8f43396p-30,
    -0x1.4a484ab113ad0p-34, 0x1.e208ce2769240p-40,
};

#endif
