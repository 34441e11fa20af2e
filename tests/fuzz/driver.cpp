// SPDX-License-Identifier: BSD-2-Clause
/// TARGET SEEDS [INPUTS [SEED]]: each file of the directory SEEDS, then changed ones, through a
/// fuzz target. For a build without libFuzzer, so that the tests run each target; scripts/fuzz runs
/// them with it. The same arguments are the same inputs. None of them may take more than 2 GiB.
#include <sys/resource.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::string> read_seeds(const char* directory) {
  std::map<std::string, std::string> by_name;  // a directory has no order of its own
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::ifstream file(entry.path(), std::ios::binary);
    by_name[entry.path().filename()] = std::string(std::istreambuf_iterator<char>(file), {});
  }
  std::vector<std::string> seeds;
  for (auto& [name, bytes] : by_name) seeds.push_back(std::move(bytes));
  return seeds;
}

std::string changed(std::string text, std::mt19937_64& random) {
  for (std::uint64_t left = 1 + random() % 4; left > 0; --left) {
    const std::size_t at = text.empty() ? 0 : random() % text.size();
    switch (random() % 5) {
      case 0:
        text.resize(at);
        break;
      case 1:
        text.insert(at, 1, static_cast<char>(random()));
        break;
      case 2:
        text.insert(at, text.substr(0, random() % 32));
        break;
      case 3:
        text.erase(at, 1 + random() % 4);
        break;
      default:
        if (!text.empty()) text[at] = static_cast<char>(text[at] ^ 1 << random() % 8);
    }
  }
  return text;
}

void play(const std::string& input) {
  // A block of its own size, so that a sanitizer sees a read past its end.
  const std::vector<std::uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // whose shadow is large
  const rlimit memory{2U << 30, 2U << 30};
  if (setrlimit(RLIMIT_AS, &memory) != 0) return std::perror("setrlimit"), 1;
#endif
  if (argc < 2) return std::fprintf(stderr, "usage: %s SEEDS [INPUTS [SEED]]\n", argv[0]), 2;
  const std::vector<std::string> seeds = read_seeds(argv[1]);
  if (seeds.empty()) return std::fprintf(stderr, "%s: no seeds in %s\n", argv[0], argv[1]), 1;
  const std::uint64_t inputs = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 10'000;
  std::mt19937_64 random(argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1);
  for (const std::string& seed : seeds) play(seed);
  std::string chain = seeds.front();
  for (std::uint64_t i = 0; i < inputs; ++i) {
    // Changes of changes reach further than a seed's neighbours.
    chain = changed(i % 8 == 0 ? seeds[random() % seeds.size()] : std::move(chain), random);
    play(chain);
  }
  std::printf("%zu seeds, %llu inputs\n", seeds.size(), static_cast<unsigned long long>(inputs));
  return 0;
}
