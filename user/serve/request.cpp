// SPDX-License-Identifier: BSD-2-Clause
#include "serve/request.h"

#include <arpa/inet.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "serve/loopback.h"

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
  std::string name(without_port(host));
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (name == "localhost" || name == "localhost.") return true;
  if (in_addr v4{}; inet_pton(AF_INET, name.c_str(), &v4) == 1) return is_loopback(v4);
  if (name.size() < 2 || name.front() != '[' || name.back() != ']') return false;
  in6_addr v6{};
  return inet_pton(AF_INET6, name.substr(1, name.size() - 2).c_str(), &v6) == 1 && is_loopback(v6);
}

}  // namespace tcpdwell
