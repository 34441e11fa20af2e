// SPDX-License-Identifier: BSD-2-Clause
#include "capture/walker.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <tcpdwell/config.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "capture/batches.h"
#include "tcpdwell_bpf.skel.h"
#include "util/host_clock.h"

namespace tcpdwell {
namespace {

/// A walk that had to stop may miss what stood behind something that has gone since, so all are
/// walked over once more. That many times at most: it is not to become a walk without an end.
constexpr unsigned kMostWalks = 16;
/// The ring is sized for a drain every 20 ms.
constexpr std::uint64_t kTurnNs = 5'000'000;

Error cannot_walk(int code) {
  return {Fault::Runtime, fmt::format("cannot walk open connections: {}", std::strerror(code)),
          code};
}

Result<std::uint32_t> run_program(const bpf_program* program) {
  LIBBPF_OPTS(bpf_test_run_opts, run);
  const int error = bpf_prog_test_run_opts(bpf_program__fd(program), &run);
  return error == 0 ? Result<std::uint32_t>(run.retval) : cannot_walk(-error);
}

}  // namespace

bpf_link* attach_to_storage(const tcpdwell_bpf& skeleton, const bpf_program* program) {
  LIBBPF_OPTS(bpf_iter_attach_opts, options);
  bpf_iter_link_info info{};
  info.map.map_fd = static_cast<__u32>(bpf_map__fd(skeleton.maps.socks));
  options.link_info = &info;
  options.link_info_len = sizeof info;
  return bpf_program__attach_iter(program, &options);
}

void Walker::LinkFree::operator()(bpf_link* link) const { bpf_link__destroy(link); }

Result<Walker> Walker::make(tcpdwell_bpf& skeleton) {
  Walker walker(skeleton);
  walker.sockets_.reset(bpf_program__attach_iter(skeleton.progs.look_at_socket, nullptr));
  if (!walker.sockets_) return cannot_walk(errno);
  walker.files_.reset(bpf_program__attach_iter(skeleton.progs.look_at_file, nullptr));
  if (!walker.files_) return cannot_walk(errno);
  if (!bpf_program__autoload(skeleton.progs.look_at_stored)) return walker;
  walker.stored_.reset(attach_to_storage(skeleton, skeleton.progs.look_at_stored));
  if (!walker.stored_) return cannot_walk(errno);
  return walker;
}

/// In the order of a life: what moves on meanwhile takes with it that it has been looked at.
Status Walker::walk(const Drain& drain) {
  drained_ns_ = host_clock_ns();
  // 0 is that of a socket that has been in none.
  skeleton_->bss->look_number = static_cast<__u16>(skeleton_->bss->look_number % 0xffff + 1);
  for (const auto part : {&Walker::requests, &Walker::sockets, &Walker::slots, &Walker::time_waits})
    if (Status status = over_all(part, drain); !status) return status;
  return Ok;
}

Status Walker::over_all(Result<bool> (Walker::*part)(const Drain&), const Drain& drain) {
  for (unsigned walks = 0; walks < kMostWalks; ++walks) {
    const auto whole = (this->*part)(drain);
    if (!whole) return whole.error();
    if (*whole) break;
  }
  return Ok;
}

Status Walker::have_a_turn(const Drain& drain) {
  const std::uint64_t now = host_clock_ns();
  if (now - drained_ns_ < kTurnNs) return Ok;
  drained_ns_ = now;
  const auto drained = drain();
  return drained ? Status(Ok) : drained.error();
}

Result<bool> Walker::sockets(const Drain& drain) {
  auto own = iterate(bpf_link__fd(sockets_.get()), drain);
  if (!own) return own;
  auto open = iterate(bpf_link__fd(files_.get()), drain);
  if (!open) return open;
  if (!stored_) return *own && *open;
  auto stored = iterate(bpf_link__fd(stored_.get()), drain);
  if (!stored) return stored;
  return *own && *open && *stored;
}

/// True when all have been seen in one go.
Result<bool> Walker::iterate(int link, const Drain& drain) {
  const int walk = bpf_iter_create(link);
  if (walk < 0) return cannot_walk(errno);
  std::array<char, 64> nothing{};
  bool stopped = false;
  Result<std::uint64_t> records = std::uint64_t{0};
  ssize_t got = 1;
  while (got != 0 && records) {
    got = read(walk, nothing.data(), nothing.size());
    const int code = got < 0 ? errno : 0;
    if (got > 0) {
      if (Status status = have_a_turn(drain); !status) records = status.error();
    } else if (code == 0 || code == EAGAIN || code == EINTR) {
      records = drain();
      stopped = stopped || (code != 0 && records && *records != 0);
    } else {
      records = cannot_walk(code);
    }
  }
  close(walk);
  if (!records) return records.error();
  return !stopped;
}

Result<bool> Walker::in_one_run(const bpf_program* program, const Drain& drain) {
  const auto stopped = run_program(program);
  if (!stopped) return stopped.error();
  if (const auto records = drain(); !records) return records.error();
  return *stopped == 0;
}

Result<bool> Walker::requests(const Drain& drain) {
  return in_one_run(skeleton_->progs.look_at_requests, drain);
}

Result<bool> Walker::slots(const Drain& drain) {
  return in_one_run(skeleton_->progs.look_at_slots, drain);
}

Result<bool> Walker::time_waits(const Drain& drain) {
  Batches entries(skeleton_->maps.minis);
  auto& cookies = skeleton_->bss->named_cookies;
  for (;;) {
    const auto count = entries.next();
    if (!count) return count.error();
    if (*count == 0) break;
    for (std::size_t at = 0; at < *count; at += std::size(cookies)) {
      const std::size_t some = std::min(std::size(cookies), *count - at);
      for (std::size_t i = 0; i < some; ++i) cookies[i] = entries.key<__u64>(at + i);
      if (Status status = look_at_cookies(static_cast<std::uint32_t>(some), drain); !status)
        return status.error();
    }
  }
  const auto records = drain();
  return records ? Result<bool>(true) : records.error();
}

Status Walker::look_at_cookies(std::uint32_t count, const Drain& drain) {
  auto& cookies = skeleton_->bss->named_cookies;
  for (std::uint32_t done = 0;;) {
    skeleton_->bss->named_cookies_n = count - done;
    const auto looked = run_program(skeleton_->progs.look_at_minis);
    if (!looked) return looked.error();
    done += *looked;
    if (done >= count) return have_a_turn(drain);
    std::copy(std::begin(cookies) + *looked, std::begin(cookies) + *looked + (count - done),
              std::begin(cookies));
    if (const auto records = drain(); !records) return records.error();
  }
}

}  // namespace tcpdwell
