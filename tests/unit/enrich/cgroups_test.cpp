// SPDX-License-Identifier: BSD-2-Clause
#include "enrich/cgroups.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "enrich/host.h"

namespace tcpdwell {
namespace {

const std::string kId = std::string(60, 'a') + "0123";
const std::string kUid = "0f5b3c1e-1d2a-4b3c-8d9e-123456789abc";

TEST(CgroupName, Containers) {
  for (const std::string& part : {"docker-" + kId + ".scope", "cri-containerd-" + kId + ".scope",
                                  "crio-" + kId + ".scope", "libpod-" + kId + ".scope", kId}) {
    const CgroupName name = name_of_cgroup_path("/system.slice/" + part);
    EXPECT_EQ(name.container, kId) << part;
    EXPECT_EQ(name.unit, "") << part;
    EXPECT_EQ(name.label(), "container:aaaaaaaaaaaa");
  }
}

TEST(CgroupName, WhatOnlyLooksLikeAContainerIsNone) {
  for (const std::string& part :
       {kId.substr(1), "x" + kId, "docker-" + std::string(64, 'G') + ".scope"})
    EXPECT_EQ(name_of_cgroup_path("/" + part).container, "") << part;
}

TEST(CgroupName, ALongPathIsCutBehindAWholeCharacterAndSaysSo) {
  const std::string longest = "/" + std::string(kMostPath - 1, 'a');
  EXPECT_EQ(name_of_cgroup_path(longest).path, longest);
  EXPECT_EQ(name_of_cgroup_path(longest + "b").path, longest + "…");
  const std::string all_but_one = longest.substr(1);
  EXPECT_EQ(name_of_cgroup_path(all_but_one + "ä").path, all_but_one + "…");
  // What it names is found behind the cut.
  EXPECT_EQ(name_of_cgroup_path(longest + "/docker-" + kId + ".scope").container, kId);
}

TEST(CgroupName, Pods) {
  std::string underscored = kUid;
  for (char& c : underscored)
    if (c == '-') c = '_';
  const CgroupName systemd =
      name_of_cgroup_path("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" +
                          underscored + ".slice/cri-containerd-" + kId + ".scope");
  EXPECT_EQ(systemd.pod, kUid);
  EXPECT_EQ(systemd.container, kId);
  const CgroupName cgroupfs = name_of_cgroup_path("/kubepods/besteffort/pod" + kUid + "/" + kId);
  EXPECT_EQ(cgroupfs.pod, kUid);
  EXPECT_EQ(cgroupfs.container, kId);
  EXPECT_EQ(name_of_cgroup_path("/podman.slice/tripod").pod, "");
}

TEST(CgroupName, UnitsAndPlainPaths) {
  EXPECT_EQ(name_of_cgroup_path("/system.slice/nginx.service").label(), "nginx.service");
  EXPECT_EQ(name_of_cgroup_path("/user.slice/user-0.slice/session-3.scope").unit,
            "session-3.scope");
  EXPECT_EQ(name_of_cgroup_path("/").label(), "/");
  EXPECT_EQ(name_of_cgroup_path("").label(), "");
}

TEST(CgroupNames, FindsOneThatExistsAndKeepsItsNameWhenItIsGone) {
  const std::string mount = cgroup_mount();
  const std::string path = mount + "/tcpdwell-test-" + std::to_string(getpid()) + ".service";
  if (mount.empty() || mkdir(path.c_str(), 0755) != 0) GTEST_SKIP() << "no cgroup can be made here";
  struct stat st {};
  ASSERT_EQ(stat(path.c_str(), &st), 0);
  CgroupNames names;
  EXPECT_EQ(names.find(st.st_ino)->path, path.substr(mount.size()));
  ASSERT_EQ(rmdir(path.c_str()), 0);
  EXPECT_EQ(names.find(st.st_ino)->path, path.substr(mount.size()));
  EXPECT_EQ(CgroupNames().find(st.st_ino)->path, "");
  EXPECT_EQ(names.find(0)->path, "");
}

}  // namespace
}  // namespace tcpdwell
