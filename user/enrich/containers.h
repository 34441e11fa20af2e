// SPDX-License-Identifier: BSD-2-Clause
/// What a node's own files call its containers and pods: no API is asked.
///
/// Kubernetes: /var/log/pods/NAMESPACE_POD_UID and
/// /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log (pkg/kubelet/kuberuntime/helpers.go,
/// legacy.go). Docker: /var/lib/docker/containers/ID/config.v2.json. Podman and CRI-O:
/// /var/lib/containers/storage/overlay-containers/containers.json and volatile-containers.json
/// (containers/storage).
///
/// All of it is hostile: files are regular ones of bounded size, and a name of more than 253 bytes
/// is none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "model/listing.h"

namespace tcpdwell {

/// Not thread-safe.
class ContainerNames {
 public:
  using Tell = std::function<void(const std::string& trouble)>;

  /// Reads what there is below `root` ("" is this host's own). `tell` is told of each place that is
  /// there and cannot be read, once. Neither an absent place nor an absent `tell` is a trouble.
  explicit ContainerNames(std::string root = "", Tell tell = {});

  /// Fills in what is known of `name.container` and `name.pod`, and looks again where that is not
  /// all.
  void add_to(CgroupName& name);
  /// Not all is known, and the last look was a second ago or longer.
  bool may_know_more(const CgroupName& name) const;

 private:
  struct Of {
    std::string pod_namespace, pod_name, container_name;
  };
  using Table = std::map<std::string, Of, std::less<>>;

  void read();
  void read_pods();
  void read_container_links();
  void read_docker();
  void read_docker(const std::string& id);
  void read_storage(const std::string& file);
  void keep(Table& table, std::string_view key, Of of);
  std::optional<std::string> contents(const std::string& path);
  void each_entry(const std::string& directory, const std::function<void(std::string_view)>& visit);
  void trouble(const std::string& path, int code);
  void fill(CgroupName& name) const;

  static constexpr std::size_t kMost = 65536;  ///< containers and pods; more are not named
  std::string root_;
  Tell tell_;
  std::set<std::string> told_;
  Table containers_, pods_;
  std::int64_t read_ns_ = 0;
};

}  // namespace tcpdwell
