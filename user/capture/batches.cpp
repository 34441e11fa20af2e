// SPDX-License-Identifier: BSD-2-Clause
#include "capture/batches.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <string>

namespace tcpdwell {
namespace {

/// As many as the longest chain of a hash table can have, by far.
constexpr std::size_t kEntries = 1024;

std::size_t in_words(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

}  // namespace

Batches::Batches(const bpf_map* map)
    : fd_(bpf_map__fd(map)),
      key_bytes_(bpf_map__key_size(map)),
      value_bytes_(in_words(bpf_map__value_size(map))),
      keys_(kEntries * key_bytes_),
      values_(kEntries * value_bytes_) {}

Result<std::size_t> Batches::next() {
  if (over_) return std::size_t{0};
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  auto count = static_cast<std::uint32_t>(kEntries);
  const int error = bpf_map_lookup_batch(fd_, begun_ ? &place_ : nullptr, &place_, keys_.data(),
                                         values_.data(), &count, &options);
  const int code = error == 0 ? 0 : errno;
  begun_ = true;
  over_ = code == ENOENT;  // and what it has given is the last
  if (code != 0 && !over_)
    return Error{Fault::Runtime,
                 std::string("cannot read what the kernel side found: ") + std::strerror(code),
                 code};
  return over_ || count != 0 ? Result<std::size_t>(count) : next();
}

}  // namespace tcpdwell
