/* The bytes of the input, the last one first. */
#include "replicode_plugin.h"

int32_t process(uint8_t *input, size_t len) {
    for (size_t i = 0; i < len / 2; i++) {
        uint8_t byte = input[i];
        input[i] = input[len - 1 - i];
        input[len - 1 - i] = byte;
    }
    fn_output(input, len);
    return 0;
}
