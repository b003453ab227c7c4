# Makes the files that the tests of options look at, in the working directory.
set -e

library() { # NAME SOURCE [ARGUMENT]...
    name=$1 source=$2
    shift 2
    printf '%s\n' "$source" | gcc -shared -fPIC -w -x c - -o "lib$name.so" -Wl,-soname,"lib$name.so" "$@"
}
program() { # NAME SOURCE [ARGUMENT]...
    name=$1 source=$2
    shift 2
    printf '%s\n' "$source" | gcc -w -x c - -o "$name" -L. -Wl,-rpath,'$ORIGIN' -Wl,--no-as-needed "$@"
}

library a 'int a(void) { return 1; } int data = 4;'
library b 'int b(void) { return 2; }'
program unused 'int a(void); int main(void) { return a() - 1; }' -la -lb
program used 'int a(void); int main(void) { return a() - 1; }' -la
program copies 'extern int data; int main(void) { return data - 4; }' -la -lb -no-pie -fno-pie

library gone 'int gone(void) { return 1; }'
program missing 'int a(void), gone(void); int main(void) { return a() + gone(); }' -lgone -la
rm libgone.so

library undefined 'int function(void), other(void); extern int object;
    int (*pointer)(void) = other; int undefined(void) { return function() + object; }'
program undefined 'int undefined(void); int main(void) { return undefined(); }' -lundefined -Wl,--unresolved-symbols=ignore-all
program undefined_now 'int undefined(void); int main(void) { return undefined(); }' -lundefined -Wl,--unresolved-symbols=ignore-all -Wl,-z,now
library lazy 'int function(void); int lazy(int count) { return count > 1 ? function() : 0; }' -Wl,-z,lazy
program never_called 'int lazy(int); int main(int count) { return lazy(count); }' -llazy -Wl,--unresolved-symbols=ignore-all

# The version V2 was there when the program was linked.
printf 'V1 { one; }; V2 { two; } V1;\n' > versions
library versions 'int one(void) { return 1; } int two(void) { return 2; }' -Wl,--version-script=versions
program version 'int one(void), two(void); int main(void) { return one() + two(); }' -lversions
printf 'V1 { one; };\n' > versions
library versions 'int one(void) { return 1; }' -Wl,--version-script=versions

printf 'int main(void) { return 0; }' | gcc -static -x c - -o static
printf 'int main(void) { return 0; }' | gcc -static-pie -x c - -o static_pie
printf '#!/bin/sh\nexit 0\n' > script
chmod +x script
printf 'text\n' > text
printf 'int object;' | gcc -c -x c - -o object.o
head -c 40 used > short
chmod +x short
printf 'void _start(void) { for (;;); }' | gcc -nostdlib -pie -fPIE -x c - -o without_libraries

# Whatever runs of these ends with a signal.
library trap '__attribute__((constructor)) static void constructor(void) { __builtin_trap(); }
    static int function(void) { return 1; }
    static int (*resolver(void))(void) { __builtin_trap(); return function; }
    int chosen(void) __attribute__((ifunc("resolver")));
    int (*pointer)(void) = chosen;
    int trap(void) { return chosen(); }'
program trap 'int trap(void); __attribute__((constructor)) static void constructor(void) { __builtin_trap(); }
    int main(void) { __builtin_trap(); return trap(); }' -ltrap

# Libraries of one name in several places, and a program that says which one it got.
mkdir -p other glibc-hwcaps/mine glibc-hwcaps/x86-64-v2 inner
for place in other glibc-hwcaps/mine glibc-hwcaps/x86-64-v2 inner .; do
    library which "const char *which(void) { return \"$place\"; }"
    [ $place = . ] || mv libwhich.so $place
done
cp other/libwhich.so outside.so
program which '#include <stdio.h>
    const char *which(void); int main(void) { puts(which()); return 0; }' -lwhich -Wl,-rpath,'$ORIGIN/inner' -Wl,--disable-new-dtags
printf '#include <stdio.h>\nconst char *which(void); int main(void) { puts(which()); return 0; }' |
    gcc -w -x c - -o plain -L. -lwhich

library weak 'int f(void) __attribute__((weak)); int f(void) { return 1; } int g(void) __attribute__((weak)); int g(void) { return 11; }
    int h(void); int through(void) { return h(); }'
library strong 'int f(void) { return 2; } int h(void) { return 3; }'
program weak '#include <stdio.h>
    __attribute__((weak)) int h(void) { return 4; }
    int f(void), g(void), through(void); int main(void) { printf("%d %d %d\n", f(), g(), through()); return 0; }' -lweak -lstrong -rdynamic
library three 'int three(void) { return 3; }'
program calls 'int three(void); int main(void) { return three() + three() + three() - 9; }' -lthree -Wl,-z,lazy
