// SPDX-License-Identifier: BSD-2-Clause
/// Bytes as a record of the ring: refused, or an event that is written as JSON and read back the
/// same.
#include <tcpdwell/event.h>

#include <cstdint>
#include <string>
#include <variant>

#include "capture/decode.h"
#include "fuzz/require.h"
#include "sinks/csv_lines.h"
#include "sinks/text_lines.h"
#include "trace/compress.h"
#include "trace/reader.h"
#include "trace/writer.h"
#include "util/escape.h"

using namespace tcpdwell;

namespace {

struct Keep : Consumer {
  Status transition(const Transition& e) override { return event = e, Ok; }
  Status seed(const Seed& e) override { return event = e, Ok; }
  Status connection(const Connection& e) override { return event = e, Ok; }
  std::variant<std::monostate, Transition, Seed, Connection> event;
};

/// A name that is no UTF-8 does not come back as it was (util/escape.h).
template <class Event>
void forget_name(Event& event) {
  event.socket.owner.comm = {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto event = decode_event(data, size);
  if (!event) return 0;
  Header header;
  header.start_wall_ns = 1;
  header.minisockets = "off";
  StringOutput json, text, csv;
  TraceWriter writer(json);
  TextLines lines(text, TextOptions{});
  CsvLines table(csv);
  for (Consumer* sink : std::initializer_list<Consumer*>{&writer, &lines, &table}) {
    TD_REQUIRE(sink->header(header));
    std::visit(
        [&](auto& e) {
          using Event = std::decay_t<decltype(e)>;
          if constexpr (std::is_same_v<Event, Transition>)
            TD_REQUIRE(sink->transition(e));
          else if constexpr (std::is_same_v<Event, Connection>)
            TD_REQUIRE(sink->connection(e));
          else
            TD_REQUIRE(sink->seed(e));
        },
        *event);
  }
  TD_REQUIRE(text.text.find('\x1b') == std::string::npos);
  Keep keep;
  const auto input = open_trace_bytes(json.text);
  const auto read = read_trace(*input, "input", keep);
  TD_REQUIRE(read.ok() && read->skipped == 0);
  std::visit(
      [&](auto& e) {
        using Event = std::decay_t<decltype(e)>;
        auto* back = std::get_if<Event>(&keep.event);
        TD_REQUIRE(back != nullptr);
        forget_name(e);
        forget_name(*back);
        TD_REQUIRE(back->socket.id == e.socket.id);
        if constexpr (std::is_same_v<Event, Connection>)
          TD_REQUIRE(back->stays == e.stays);
        else
          TD_REQUIRE(back->mono_ns == e.mono_ns);
      },
      *event);
  return 0;
}
