// SPDX-License-Identifier: BSD-2-Clause
// What libevent asks the C library's resolver for, answered without it (linked with --wrap). The
// resolver loads the libraries that /etc/nsswitch.conf names, which a static program cannot.
//
// serve binds its own sockets and asks for no name, so the others are never called. getnameinfo()
// is: evhttp asks who a client is and ends the process when that fails. A client of a unix socket
// that has bound no name has an address of two bytes, and glibc's reads the name behind them all
// the same: whatever was on the stack, which fails if it is long. This one makes numbers alone, as
// evhttp wants them, and never fails.
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

int __wrap_getnameinfo(const struct sockaddr *address, socklen_t size, char *host,
		       socklen_t host_size, char *service, socklen_t service_size, int flags);
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **found);
void __wrap_freeaddrinfo(struct addrinfo *found);
struct servent *__wrap_getservbyname(const char *name, const char *protocol);
struct protoent *__wrap_getprotobynumber(int number);

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

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **found)
{
	(void)node;
	(void)service;
	(void)hints;
	*found = NULL;
	return EAI_FAIL;
}

void __wrap_freeaddrinfo(struct addrinfo *found)
{
	(void)found;
}

struct servent *__wrap_getservbyname(const char *name, const char *protocol)
{
	(void)name;
	(void)protocol;
	return NULL;
}

struct protoent *__wrap_getprotobynumber(int number)
{
	(void)number;
	return NULL;
}
