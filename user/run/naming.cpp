// SPDX-License-Identifier: BSD-2-Clause
#include "run/naming.h"

namespace tcpdwell {

Status NamingStage::name(std::uint64_t id, std::int64_t wall_ns) {
  if (id == 0 || id == last_) return Ok;
  auto found = told_.find(id);
  if (found == told_.end()) {
    if (told_.size() >= kMost) return Ok;
    found = told_.try_emplace(id).first;
  }
  Told& told = found->second;
  if (told.name && !told.name->path.empty()) {
    last_ = id;
    return Ok;
  }
  // One that is gone will not come back, and one that a walk has to find may be found by the next.
  if (told.tries >= kTries || (told.tries > 0 && wall_ns - told.tried_wall_ns < kTryEveryNs))
    return Ok;
  return look_up(id, told, wall_ns);
}

Status NamingStage::look_up(std::uint64_t id, Told& told, std::int64_t wall_ns) {
  ++told.tries;
  told.tried_wall_ns = wall_ns;
  const CgroupRef name = names_.find(id);
  if (name->path.empty() || (told.name && *told.name == *name)) return Ok;
  told.name = name;
  return next_.cgroup_name({wall_ns, id, *name});
}

Status NamingStage::end(const TraceEnd& end) {
  for (auto& [id, told] : told_)
    if (Status looked = look_up(id, told, end.wall_ns); !looked) return looked;
  return next_.end(end);
}

}  // namespace tcpdwell
