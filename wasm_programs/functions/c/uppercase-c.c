/* Letters of ASCII, capital; every other byte as it is. */
#include "replicode_plugin.h"

int32_t process(uint8_t *input, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (input[i] >= 'a' && input[i] <= 'z') input[i] -= 'a' - 'A';
    }
    fn_output(input, len);
    return 0;
}
