// SPDX-License-Identifier: BSD-2-Clause
/// tcpdwell_fields [--check] SOURCE: writes what comes of user/model/fields.h into the source tree,
/// or says which of it is stale.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "describe.h"

namespace tcpdwell {
namespace {

struct Page {
  std::string path, text;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Puts `body` between the line that has the mark `begin` and the next one that has `end`.
bool fill(std::string& text, std::string_view begin, std::string_view end, std::string_view body) {
  const std::size_t mark = text.find(begin);
  const std::size_t from = text.find('\n', mark);
  const std::size_t to = text.find(end, from);
  if (mark == std::string::npos || to == std::string::npos) return false;
  const std::size_t line = text.rfind('\n', to) + 1;
  text.replace(from + 1, line - from - 1, body);
  return true;
}

template <class Keep>
std::vector<Described> only(std::vector<Described> fields, Keep keep) {
  std::erase_if(fields, [&](const Described& field) { return !keep(field); });
  return fields;
}

bool fill_page(std::string& text, std::string_view which, const std::vector<Described>& fields) {
  return fill(text, "<!-- fields of " + std::string(which) + ":", "<!-- end -->",
              page_table(fields));
}

/// False where a page lacks a place to be filled.
bool fill_pages(const std::vector<LineType>& types, std::string& page, std::string& sql) {
  const std::vector<Described>& seed = types[2].fields;
  bool filled = true;
  for (const LineType& line : types) {
    const bool beyond_seed = line.type == "socket";
    filled &= fill_page(
        page, line.type, only(line.fields, [&](const Described& field) {
          const auto same = [&](const Described& other) { return other.name == field.name; };
          return !field.last_line && !(beyond_seed && std::any_of(seed.begin(), seed.end(), same));
        }));
    if (line.type == "transition")
      filled &=
          fill_page(page, "last transition",
                    only(line.fields, [](const Described& field) { return field.last_line; }));
    if (line.type == "transition" || line.type == "connection")
      filled &= fill(sql, "-- fields of a " + std::string(line.type) + ":", "-- end",
                     columns_of(line.fields));
  }
  return filled;
}

int run(bool check, const std::string& source) {
  std::vector<Page> pages;
  for (const char* path :
       {"/docs/trace.schema.json", "/docs/trace.md", "/packaging/clickhouse/schema.sql"})
    pages.push_back({source + path, text_of(source + path)});
  const std::vector<Page> before = pages;
  const std::vector<LineType> types = line_types();
  pages[0].text = schema_of(types);
  if (!fill_pages(types, pages[1].text, pages[2].text))
    return std::cerr << "a mark is missing in " << pages[1].path << " or " << pages[2].path << '\n',
           1;
  int status = 0;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    if (pages[i].text == before[i].text) continue;
    if (check) {
      std::cerr << pages[i].path
                << " is not what user/model/fields.h says: ninja -C build fields\n";
      status = 1;
    } else if (!(std::ofstream(pages[i].path, std::ios::binary) << pages[i].text).flush()) {
      std::cerr << "cannot write " << pages[i].path << '\n';
      status = 1;
    }
  }
  return status;
}

}  // namespace
}  // namespace tcpdwell

int main(int argc, char** argv) {
  const bool check = argc == 3 && std::string_view(argv[1]) == "--check";
  if (argc != 2 && !check) return std::cerr << "usage: tcpdwell_fields [--check] SOURCE\n", 2;
  return tcpdwell::run(check, argv[argc - 1]);
}
