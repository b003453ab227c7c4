static __thread int own __attribute__((tls_model("initial-exec"))) = 9;
int *static_address(void) { return &own; }
