// SPDX-License-Identifier: BSD-2-Clause
#include "capture/stuck_look.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <tcpdwell/config.h>
#include <tcpdwell/event.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <string_view>
#include <utility>
#include <variant>

#include "capture/port_watch.h"
#include "capture/seeds.h"
#include "capture/walker.h"
#include "tcpdwell_bpf.skel.h"

namespace tcpdwell {
namespace {

Error cannot_look(int code) {
  return {Fault::Runtime, fmt::format("cannot look who waits: {}", std::strerror(code)), code};
}

/// The records of one walk, each of `size` bytes.
Status walk(const bpf_link* link, std::size_t size,
            const std::function<Status(const char* record)>& take) {
  const int iterator = bpf_iter_create(bpf_link__fd(link));
  if (iterator < 0) return cannot_look(errno);
  Status status = read_records(iterator, "what waits", size, take, [] { return Status(Ok); });
  close(iterator);
  return status;
}

/// A process that has executed another program since is known by its name of now.
void rename_owner(Owner& owner, std::uint64_t file_cookie, const HolderTable& holders) {
  holders.any_holder(file_cookie, [&](const Holder& holder) {
    if (owner.pid != holder.pid) return false;
    owner.comm = holder.comm;
    return true;
  });
}

}  // namespace

void StuckLook::LinkFree::operator()(bpf_link* link) const { bpf_link__destroy(link); }

Result<StuckLook> StuckLook::make(tcpdwell_bpf& skeleton) {
  StuckLook look(skeleton);
  const auto& programs = skeleton.progs;
  for (const bpf_program* program :
       {programs.tell_stuck, programs.tell_stuck_socket, programs.tell_stuck_file}) {
    if (!bpf_program__autoload(program)) continue;
    look.sockets_.emplace_back(program == programs.tell_stuck
                                   ? attach_to_storage(skeleton, program)
                                   : bpf_program__attach_iter(program, nullptr));
    if (!look.sockets_.back()) return cannot_look(errno);
  }
  look.slots_.reset(bpf_program__attach_iter(skeleton.progs.tell_stuck_slots, nullptr));
  if (!look.slots_) return cannot_look(errno);
  look.holders_.reset(bpf_program__attach_iter(skeleton.progs.tell_holder, nullptr));
  if (!look.holders_) return cannot_look(errno);
  return look;
}

Result<std::vector<Listed>> StuckLook::sockets(PortWatch& ports) const {
  std::vector<Listed> found;
  std::set<std::uint64_t> cookies;
  const auto take = [&](const char* record) -> Status {
    auto event = decode_event(record, sizeof(td_event));
    if (!event) return event.error();
    if (auto* seed = std::get_if<Seed>(&*event);
        seed != nullptr && found.size() < kMost && cookies.insert(seed->socket.id.cookie).second) {
      ports.name_iface(record, seed->socket);
      found.push_back({*seed, nullptr, {}});
    }
    return Ok;
  };
  auto& bss = *skeleton_->bss;
  bss.queue_from = bss.queue_is_longer = 0;
  for (const Link& link : sockets_)
    if (Status status = walk(link.get(), sizeof(td_event), take); !status) return status.error();
  // The walk over files is the last, and alone finds what waits in queues.
  while (std::exchange(bss.queue_is_longer, 0) != 0 && found.size() < kMost) {
    bss.queue_from += TD_QUEUED_AT_ONCE;
    if (Status status = walk(sockets_.back().get(), sizeof(td_event), take); !status)
      return status.error();
  }
  bss.slot_from = 0;
  do {
    bss.slots_are_left = 0;
    if (Status status = walk(slots_.get(), sizeof(td_event), take); !status) return status.error();
  } while (bss.slots_are_left != 0 && found.size() < kMost);
  return found;
}

Result<HolderTable> StuckLook::holders() const {
  HolderTable table;
  Status status = walk(holders_.get(), sizeof(td_holder), [&](const char* record) -> Status {
    td_holder h;
    std::memcpy(&h, record, sizeof h);
    table.add(h.cookie,
              {h.pid, Comm(std::string_view(h.comm, strnlen(h.comm, sizeof h.comm))), h.ns_pid});
    return Ok;
  });
  if (!status) return status.error();
  table.sort();
  return table;
}

Result<std::vector<Listed>> StuckLook::look(PortWatch& ports) const {
  auto found = sockets(ports);
  if (!found || std::none_of(found->begin(), found->end(),
                             [](const Listed& one) { return one.seed.live.held == Held::Process; }))
    return found;
  const auto table = holders();
  if (!table) return table.error();
  for (Listed& one : *found) {
    one.holders = table->holders_of(one.seed.live, false);
    rename_owner(one.seed.socket.owner, one.seed.live.file_cookie, *table);
  }
  return found;
}

}  // namespace tcpdwell
