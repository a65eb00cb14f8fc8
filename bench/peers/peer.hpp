// SPDX-License-Identifier: BSD-3-Clause
// The peer's end of the pipe: a peer says what it is, solves rows, and main() answers. Next: eigen.cpp for an example.
#pragma once
#include <cstdio>
#include <iostream>

#include "../measure.hpp"
#include "../problems/all.hpp"

namespace bench::peer {

/// One line: version, build, settings.
std::string about();
/// Empty where this library does not do that row. Of inputs and outputs it may make tensors of its own.
solution solve(const problem&);

struct current {
  problem p;
  solution s;
  double error = 0;
};

inline int serve() {
  std::printf("%s\n", about().c_str());
  std::fflush(stdout);
  std::unique_ptr<current> now;
  std::string id;
  for (std::int64_t calls; std::cin >> id >> calls;) {
    if (!now || now->p.id != id) {
      now.reset();  // frees the last row's arrays first
      now = std::make_unique<current>();
      now->p = problems::make(id);
      if (!now->p.id.empty()) now->s = solve(now->p);
      if (now->s) {
        now->error = checked_error(now->p, now->s);
        double spent = 0;  // until freed memory is reused
        for (int i = 0; i < 12 && spent < 0.5e9; ++i) spent += timed("", now->s.run, 2).run(1);
      }
    }
    if (!now->s) std::printf("none\n");
    else std::printf("%.1f %g\n", timed("", now->s.run, now->p.threads, now->p.repeat).run(calls), now->error);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace bench::peer

int main() { return bench::peer::serve(); }
