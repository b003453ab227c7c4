#include "bare.h"
void c_init(void) { put("c init\n"); }
void c_fini(void) { put("c fini\n"); }
static void one(void) { put("c init_array 1\n"); }
static void two(void) { put("c init_array 2\n"); }
static void fini_one(void) { put("c fini_array 1\n"); }
static void fini_two(void) { put("c fini_array 2\n"); }
// Single words: compilers align arrays so far that the linker leaves gaps in the table.
__attribute__((section(".init_array"), used)) static void *init_one = one;
__attribute__((section(".init_array"), used)) static void *init_two = two;
__attribute__((section(".fini_array"), used)) static void *fini_first = fini_one;
__attribute__((section(".fini_array"), used)) static void *fini_second = fini_two;
