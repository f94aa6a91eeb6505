/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/channel.h"
#include <assert.h>
#include <sys/socket.h>

/* Built once for each channel between PEER and core. The first byte says who receives, the rest is
 * one packet, as the other end may send it: it is taken off a real channel and decoded. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int ends[2] = {-1, -1};
    static struct message m;
    struct err e = {0};
    if (size < 2)
        return 0;
    if (ends[0] < 0 && !channel_pair(ends, &e))
        __builtin_trap();
    bool to_core = (data[0] & 1) != 0;
    struct channel c = {ends[1], to_core ? ROLE_CORE : PEER, to_core ? PEER : ROLE_CORE};
    ssize_t sent = send(ends[0], data + 1, size - 1, MSG_DONTWAIT);
    assert(sent == (ssize_t)(size - 1));
    if (channel_receive(&c, &m, &e))
        (void)message_decodes(m.type, m.body);
    return 0;
}
