// SPDX-License-Identifier: BSD-2-Clause
#include "capture/check.h"

#include <fmt/format.h>

#include "capture/probe.h"
#include "capture/tracer.h"

namespace tcpdwell {
namespace {

CheckItem item(std::string name, bool ok, std::string serves, std::string mend) {
  CheckItem check;
  check.name = std::move(name);
  check.ok = ok;
  check.detail = ok ? "there" : "missing";
  check.serves = std::move(serves);
  if (!ok) check.mend = std::move(mend);
  return check;
}

bool missing(std::string_view name) {
  for (const MissingCapability& capability : missing_capabilities())
    if (capability.name == name) return true;
  return false;
}

/// The proof of all the others: the real program, in the real kernel, for a moment.
CheckItem trial_run() {
  auto tracer = Tracer::start({});
  CheckItem check = item("program loads and attaches", tracer.ok(), "everything", "");
  if (tracer) {
    check.detail = fmt::format("verified, {} instructions", (*tracer)->verified_instructions());
  } else {
    check.detail = tracer.error().message;
    check.permission = tracer.error().fault == Fault::Permission;
  }
  return check;
}

CheckItem capability(const char* name) {
  CheckItem check = item(name, !missing(name), "loading and attaching",
                         "run as root, or: setcap cap_bpf,cap_perfmon+ep tcpdwell");
  check.permission = true;
  return check;
}

}  // namespace

std::vector<CheckItem> run_checks() {
  const char* upgrade = "use Linux 5.12 or later";
  std::vector<CheckItem> checks = {
      item("BTF", kernel_has_btf(), "everything", "a kernel with CONFIG_DEBUG_INFO_BTF=y"),
      item("tracepoint sock/inet_sock_set_state", kernel_has_tracepoint("inet_sock_set_state"), "every state",
           "use Linux 4.16 or later with CONFIG_INET"),
      item("ring buffer", kernel_has_ringbuf(), "every line", "use Linux 5.8 or later"),
      item("socket storage in tracing programs", kernel_has_tracing_sk_storage(), "every dwell", upgrade),
      item("socket cookie in tracing programs", kernel_has_tracing_cookie(), "connection ids", upgrade),
      capability("CAP_BPF"),
      capability("CAP_PERFMON"),
      trial_run(),
  };
  return checks;
}

}  // namespace tcpdwell
