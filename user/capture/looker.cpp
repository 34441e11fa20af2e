// SPDX-License-Identifier: BSD-2-Clause
#include "capture/looker.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <tcpdwell/config.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tcpdwell_bpf.skel.h"
#include "util/host_clock.h"

namespace tcpdwell {
namespace {

/// A walk that had to stop may miss what stood behind something that has gone since, so all are
/// walked over once more. That many times at most: it is not to become a walk without an end.
constexpr unsigned kMostWalks = 16;

Error cannot_look(int code) {
  return {Fault::Runtime, fmt::format("cannot walk open connections: {}", std::strerror(code)),
          code};
}

}  // namespace

void Looker::LinkFree::operator()(bpf_link* link) const { bpf_link__destroy(link); }

Result<Looker> Looker::make(tcpdwell_bpf& skeleton) {
  Looker looker(skeleton);
  looker.sockets_.reset(bpf_program__attach_iter(skeleton.progs.look_at_socket, nullptr));
  if (!looker.sockets_) return cannot_look(errno);
  looker.files_.reset(bpf_program__attach_iter(skeleton.progs.look_at_file, nullptr));
  if (!looker.files_) return cannot_look(errno);
  return looker;
}

Result<bool> Looker::at_sockets(const std::function<Result<std::uint64_t>()>& drain) {
  auto own = walk(bpf_link__fd(sockets_.get()), drain);
  if (!own) return own;
  auto open = walk(bpf_link__fd(files_.get()), drain);
  if (!open) return open;
  return *own && *open;
}

/// True when all have been seen in one go.
Result<bool> Looker::walk(int link, const std::function<Result<std::uint64_t>()>& drain) {
  const int walk = bpf_iter_create(link);
  if (walk < 0) return cannot_look(errno);
  std::array<char, 64> nothing{};
  bool stopped = false;
  for (;;) {
    const ssize_t got = read(walk, nothing.data(), nothing.size());
    const int code = errno;
    const auto records = got == 0 || code == EAGAIN ? drain() : Result<std::uint64_t>(0);
    if (got != 0 && records && (code == EAGAIN || code == EINTR)) {
      stopped = stopped || *records != 0;
      continue;
    }
    close(walk);
    if (!records) return records.error();
    if (got < 0) return cannot_look(code);
    return !stopped;
  }
}

Result<bool> Looker::at_minisockets(const std::function<Result<std::uint64_t>()>& drain) {
  LIBBPF_OPTS(bpf_test_run_opts, run);
  const int error =
      bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.look_at_minisockets), &run);
  if (error != 0) return cannot_look(-error);
  if (const auto records = drain(); !records) return records.error();
  return run.retval == 0;
}

Status Looker::look(bool changed, const std::function<Result<std::uint64_t>()>& drain) {
  const std::uint64_t now = host_clock_ns();
  skeleton_->bss->look_since_ns = changed ? looked_ns_ : 0;
  looked_ns_ = now;
  // 0 is that of a socket that has been in none.
  skeleton_->bss->look_number = static_cast<__u16>(skeleton_->bss->look_number % 0xffff + 1);
  for (const auto part : {&Looker::at_minisockets, &Looker::at_sockets, &Looker::at_minisockets})
    for (unsigned walks = 0; walks < kMostWalks; ++walks) {
      const auto whole = (this->*part)(drain);
      if (!whole) return whole.error();
      if (*whole) break;
    }
  return Ok;
}

}  // namespace tcpdwell
