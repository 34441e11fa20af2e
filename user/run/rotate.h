// SPDX-License-Identifier: BSD-2-Clause
/// A recording in several files, each a whole trace.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "enrich/host.h"
#include "model/conn_id_hash.h"
#include "model/event.h"
#include "model/listing.h"
#include "run/parts.h"
#include "trace/writer.h"
#include "util/output.h"

namespace tcpdwell {

/// What a recording goes by, in nanoseconds; a test turns the hands itself.
struct RotateClocks {
  RotateClocks();  ///< the machine's
  std::function<std::int64_t()> wall, monotonic;
};

struct RotateOptions {
  Parts::Options files;
  std::uint64_t max_bytes = 0;   ///< of a file, as it is on disk; 0 = no limit
  std::uint64_t max_age_ns = 0;  ///< 0 = no limit
  bool seeds =
      true;  ///< begin each file with what is open: not where filters hide lines of a connection
  RotateClocks clocks;
};

/// "100M", "1h": a size or a duration. Fault::Usage for anything else, and for 0.
Status parse_rotate(const std::string& text, RotateOptions& options);

/// Ask it at least once a second whether a new file is due.
class RotatingTrace : public Consumer, public Output {
 public:
  /// Fault::Runtime when the first file cannot be made.
  static Result<std::unique_ptr<RotatingTrace>> create(RotateOptions options);
  ~RotatingTrace() override;

  /// A new file is due, once what each file ends with has been told: what waits, and of connections
  /// what is open.
  bool is_due() const { return full_ || is_old(); }
  /// `looked`: TraceEnd's.
  Status open_told(bool looked = false);

  /// Files begun, and what the last was called when it was finished.
  std::uint64_t parts() const { return part_; }
  std::string last_name() const { return files_->last_name(); }

  /// Parts::spared().
  const std::vector<std::string>& spared() const { return files_->spared(); }

  Status header(const Header&) override;
  Status transition(const Transition&) override;
  Status seed(const Seed&) override;
  Status connection(const Connection&) override;
  Status socket(const Listed& socket) override { return lines_.socket(socket); }
  Status local_ports(const LocalPorts&) override;
  Status cgroup_name(const NamedCgroup&) override;
  Status loss(const Loss&) override;
  Status end(const TraceEnd&) override;

  Status write(std::string_view bytes) override;
  Status flush() override;
  Status close() override;

 private:
  struct Open {
    Socket socket;
    State state = State::Unknown;
    std::uint64_t since_mono_ns = 0;
    Dwell before;            ///< how long it had been in it by then
    std::uint64_t part = 0;  ///< the last file it has a line in
  };

  explicit RotatingTrace(RotateOptions options) : options_(std::move(options)) {}
  Status open_part(std::int64_t wall_ns);
  Status close_part(std::int64_t wall_ns);
  Status write_end(std::int64_t wall_ns);
  Status rotate();
  Status note_if_full();
  Status write_seeds(std::int64_t wall_ns);
  Status write_ports(std::int64_t wall_ns);
  Status write_names(std::int64_t wall_ns);
  void follow(const Socket& socket, State state, std::uint64_t mono_ns, const Dwell& before);
  std::int64_t wall_now() const;
  bool of_connections() const { return header_.lines == "connections"; }
  bool is_old() const;

  const RotateOptions options_;
  std::unique_ptr<Parts> files_;
  std::unique_ptr<Output> file_;
  std::uint64_t part_ = 0;            ///< files begun
  std::int64_t part_began_ = 0;       ///< by the monotonic clock
  bool full_ = false;                 ///< this file is
  std::uint64_t unlooked_bytes_ = 0;  ///< written since the size was looked at
  TraceWriter lines_{*this};
  Header header_;
  TraceEnd totals_;        ///< of this file
  Suspension suspension_;  ///< since this file was begun
  std::int64_t part_start_wall_ns_ = 0, last_wall_ns_ = 0, wall_offset_ns_ = 0;
  std::unordered_map<ConnId, Open, ConnIdHash> open_;
  std::map<std::pair<std::uint32_t, std::string>, LocalPorts> ports_;  ///< by namespace and VRF
  std::map<std::uint64_t, NamedCgroup> names_;  ///< as many as NamingStage tells
};

}  // namespace tcpdwell
