/* For keepalived on a kernel without ip_vs, whose checks do not begin without it: a table that takes everything and
   balances nothing, as `--ipvs memory` is for Mainstay. Preloaded; keepalived falls back to socket options where there
   is no netlink family. The numbers are those of linux/ip_vs.h. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FIRST = 64 + 1024 + 64, LAST = FIRST + 63, INFO = FIRST + 1, VERSION = 0x010201, BUCKETS = 4096 };

static int is_about_ip_vs(int level, int option) { return level == IPPROTO_IP && option >= FIRST && option <= LAST; }

int setsockopt(int socket, int level, int option, const void *value, socklen_t length) {
    if (is_about_ip_vs(level, option))
        return 0;
    return (int)syscall(SYS_setsockopt, socket, level, option, value, length);
}

int getsockopt(int socket, int level, int option, void *value, socklen_t *length) {
    if (!is_about_ip_vs(level, option))
        return (int)syscall(SYS_getsockopt, socket, level, option, value, length);
    const unsigned info[] = {VERSION, BUCKETS, 0};
    memset(value, 0, *length);
    if (option == INFO)
        memcpy(value, info, *length < sizeof info ? *length : sizeof info);
    return 0;
}
