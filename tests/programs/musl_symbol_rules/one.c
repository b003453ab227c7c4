// Definitions of several kinds.
#include <stddef.h>
int strong_here(void) { return 1; }
__attribute__((weak)) int weak_first(void) { return 1; }
__attribute__((visibility("hidden"))) int hidden(void) { return 1; }
__attribute__((visibility("protected"))) int protected(void) { return 1; }
int common_data = 1;
int call_protected(void) { return protected(); }
int hidden_seen_inside(void) { return hidden(); }
