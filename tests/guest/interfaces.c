/* SPDX-License-Identifier: Apache-2.0 */
/* interfaces.c - what a program can ask about network interfaces: the loopback one, which is there natively and in a container. */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void print_list(int fd)
{
    struct ifreq list[64];
    struct ifconf conf = {.ifc_len = sizeof list, .ifc_req = list};
    const int r = ioctl(fd, SIOCGIFCONF, &conf);
    printf("list %d whole %d\n", r, conf.ifc_len % (int)sizeof list[0]);
    for (int i = 0; r == 0 && i < conf.ifc_len / (int)sizeof list[0]; i++) {
        if (strcmp(list[i].ifr_name, "lo") == 0) {
            printf("lo has %x\n", (unsigned)ntohl(((struct sockaddr_in *)&list[i].ifr_addr)->sin_addr.s_addr));
        }
    }
    conf.ifc_len = 0;
    conf.ifc_req = NULL;
    printf("room %d", ioctl(fd, SIOCGIFCONF, &conf));
    printf(" %d\n", conf.ifc_len > 0);
    conf.ifc_len = -1;
    conf.ifc_req = list;
    printf("negative %d", ioctl(fd, SIOCGIFCONF, &conf));
    printf(" %d\n", conf.ifc_len);
}

int main(void)
{
    char name[IF_NAMESIZE] = "";
    printf("index %d name %s missing %d", (int)if_nametoindex("lo"), if_indextoname(1, name), (int)if_nametoindex("nosuch0"));
    printf(" errno %d\n", errno == ENODEV);
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq request = {.ifr_name = "lo"};
    printf("flags %d", ioctl(fd, SIOCGIFFLAGS, &request));
    printf(" loopback %d\n", (request.ifr_flags & IFF_LOOPBACK) != 0);
    printf("mtu %d", ioctl(fd, SIOCGIFMTU, &request));
    printf(" %d\n", request.ifr_mtu);
    memcpy(request.ifr_name, "none0", 6);
    const int missing = ioctl(fd, SIOCGIFADDR, &request);
    printf("missing %d %d\n", missing, errno == ENODEV);
    print_list(fd);
    struct ifaddrs *first = NULL;
    printf("getifaddrs %d\n", getifaddrs(&first));
    for (const struct ifaddrs *item = first; item != NULL; item = item->ifa_next) {
        if (strcmp(item->ifa_name, "lo") == 0 && item->ifa_addr != NULL && item->ifa_addr->sa_family == AF_INET) {
            printf("lo %x\n", (unsigned)ntohl(((struct sockaddr_in *)item->ifa_addr)->sin_addr.s_addr));
        }
    }
    return 0;
}
