// SPDX-License-Identifier: BSD-2-Clause
#include "serve/request.h"

#include <arpa/inet.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include <string>
#include <string_view>

namespace tcpdwell {
namespace {

/// "localhost:9978" without its port.
std::string_view without_port(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  const std::size_t bracket = host.rfind(']');
  if (colon == std::string_view::npos) return host;
  return bracket != std::string_view::npos && bracket > colon ? host : host.substr(0, colon);
}

}  // namespace

HttpRequest request_of(const char* path, const char* query, const char* accept) {
  HttpRequest request;
  request.path = path != nullptr && *path != '\0' ? path : "/";
  if (query != nullptr) {
    evkeyvalq pairs{};
    if (evhttp_parse_query_str(query, &pairs) == 0) {
      for (const evkeyval* pair = pairs.tqh_first; pair != nullptr; pair = pair->next.tqe_next)
        request.query.emplace(pair->key, pair->value);
      evhttp_clear_headers(&pairs);
    }
  }
  if (accept != nullptr) request.accept = accept;
  return request;
}

bool names_loopback(const char* host) {
  if (host == nullptr) return true;  // HTTP/1.0, which no browser speaks
  const std::string name(without_port(host));
  in_addr v4{};
  return name == "localhost" || name == "[::1]" ||
         (inet_pton(AF_INET, name.c_str(), &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127);
}

}  // namespace tcpdwell
