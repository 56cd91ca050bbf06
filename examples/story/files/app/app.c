#include <stdio.h>
#include <string.h>

/* The share of requests that fail. Nobody's unit test looks at it; production does. */
#define ERROR_RATE "@ERROR_RATE@"

static int price(int pieces, int each) { return pieces * each; }

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--self-test") == 0) {
        if (price(3, 5) != 15) return 1;
        puts("self-test passed");
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "--error-rate") == 0) {
        puts(ERROR_RATE);
        return 0;
    }
    puts("serving");
    return 0;
}
