// SPDX-License-Identifier: BSD-2-Clause
// libevent's evhttp asks getnameinfo() who a client is and ends the process when that fails. A
// client of a unix socket that has bound no name has an address of two bytes, and glibc's
// getnameinfo() reads the name behind them all the same: whatever was on the stack, which fails if
// it is long. This stands in for it (linked with --wrap=getnameinfo), makes numbers alone as evhttp
// wants them, and never fails.
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

int __wrap_getnameinfo(const struct sockaddr *address, socklen_t size, char *host,
		       socklen_t host_size, char *service, socklen_t service_size, int flags);

int __wrap_getnameinfo(const struct sockaddr *address, socklen_t size, char *host,
		       socklen_t host_size, char *service, socklen_t service_size, int flags)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	unsigned port = 0;
	(void)size;
	(void)flags;
	snprintf(host, host_size, "unix");
	if (address->sa_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, host, host_size);
		port = ntohs(v4->sin_port);
	} else if (address->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, host_size);
		port = ntohs(v6->sin6_port);
	}
	snprintf(service, service_size, "%u", port);
	return 0;
}
