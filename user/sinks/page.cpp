// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/page.h"

#include <fmt/format.h>
#include <sinks_page.h>

namespace tcpdwell {

std::string page_begin(std::string_view title, std::string_view allowed, std::string_view nonce) {
  std::string page = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">";
  if (nonce.empty())
    page += fmt::format(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
        "'unsafe-inline'; {}img-src data:\">",
        allowed);
  page +=
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><link rel=\"icon\" "
      "href=\"data:,\">";
  page += fmt::format("<title>{}</title><style", title);
  if (!nonce.empty()) page += fmt::format(" nonce=\"{}\"", nonce);
  return page.append(">").append(kPageStyle).append("</style></head><body>");
}

}  // namespace tcpdwell
