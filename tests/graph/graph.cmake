# The math functions are compared with MPFR; only this test links it.
target_link_libraries(test_mathfn PRIVATE mpfr gmp)
