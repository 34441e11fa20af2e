// SPDX-License-Identifier: BSD-2-Clause
/// libevent's objects, freed by who holds them; and the clock of what a client may take its time
/// for.
#pragma once

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include <cstdint>
#include <memory>

#include "util/host_clock.h"

namespace tcpdwell {

template <auto free>
struct FreeWith {
  template <class T>
  void operator()(T* it) const {
    free(it);
  }
};
using Base = std::unique_ptr<event_base, FreeWith<event_base_free>>;
using Http = std::unique_ptr<evhttp, FreeWith<evhttp_free>>;
using Event = std::unique_ptr<event, FreeWith<event_free>>;
using Buffer = std::unique_ptr<evbuffer, FreeWith<evbuffer_free>>;

constexpr std::uint64_t kSecond = 1'000'000'000;

/// The clock of what is asked for.
inline std::uint64_t now_ns() { return host_clock_ns(); }

}  // namespace tcpdwell
