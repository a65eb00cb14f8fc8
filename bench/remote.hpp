// SPDX-License-Identifier: BSD-3-Clause
// A peer: a program that is started once and asked over pipes, so that its OpenMP runtime, its BLAS symbols or its Python
// never meet ours, and all can take turns in one run. It says a line about itself, then answers
//   ROW calls    by    nanoseconds of one call, error against double    or    none
// Not here: the other end (peers/peer.hpp, peers/python.py).
#pragma once
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>

#include "measure.hpp"

namespace bench {

class remote {
 public:
  const std::string name;
  std::string about;  ///< version, build, settings, in the peer's words

  struct answer {
    double ns, error;
  };

  /// `settings` are NAME=VALUE of its environment. Check alive() afterwards.
  remote(std::string peer, const std::vector<std::string>& command, const std::vector<std::string>& settings) : name(std::move(peer)) {
    signal(SIGPIPE, SIG_IGN);
    int to[2], from[2];
    if (pipe(to) || pipe(from)) return;
    child_ = fork();
    if (child_ == 0) {
      dup2(to[0], 0), dup2(from[1], 1);
      for (int end : {to[0], to[1], from[0], from[1]}) close(end);
      for (int open = 3; open < 64; ++open) close(open);  // other peers' pipes: they end when ours closes
      for (const std::string& s : settings) putenv(strdup(s.c_str()));
      std::vector<char*> argv;
      for (const std::string& s : command) argv.push_back(strdup(s.c_str()));
      argv.push_back(nullptr);
      execvp(argv[0], argv.data());
      _exit(127);
    }
    close(to[0]), close(from[1]);
    to_ = to[1], from_ = from[0];
    if (child_ < 0) stop();
    else if (auto line = read_line()) about = *line;
  }
  ~remote() { stop(); }
  remote(const remote&) = delete;
  remote& operator=(const remote&) = delete;

  bool alive() const { return child_ > 0; }

  std::optional<answer> ask(const std::string& row, std::int64_t calls) {
    if (!alive()) return {};
    const std::string question = row + " " + std::to_string(calls) + "\n";
    if (write(to_, question.data(), question.size()) != static_cast<ssize_t>(question.size())) {
      stop();
      return {};
    }
    const auto line = read_line();
    answer a{};
    if (!line || std::sscanf(line->c_str(), "%lf %lf", &a.ns, &a.error) != 2) return {};
    return a;
  }

 private:
  /// Waits five minutes at most: a first call may have to compile.
  std::optional<std::string> read_line() {
    std::string line;
    for (char c;;) {
      pollfd p{from_, POLLIN, 0};
      if (poll(&p, 1, 300'000) <= 0 || read(from_, &c, 1) != 1) {
        std::fprintf(stderr, "bench: peer %s ended or does not answer\n", name.c_str());
        stop();
        return {};
      }
      if (c == '\n') return line;
      line += c;
    }
  }
  void stop() {
    if (to_ >= 0) close(to_);
    if (from_ >= 0) close(from_);
    to_ = from_ = -1;
    if (child_ > 0) {
      for (int i = 0; i < 50 && waitpid(child_, nullptr, WNOHANG) == 0; ++i) {
        usleep(10'000);
        if (i == 49) kill(child_, SIGKILL), waitpid(child_, nullptr, 0);
      }
    }
    child_ = -1;
  }

  pid_t child_ = -1;
  int to_ = -1, from_ = -1;
};

/// The peers that are here, by a file of lines: `name NAME` begins one, `word WORD` are its command's words, `set NAME=VALUE` its environment.
inline std::vector<std::unique_ptr<remote>> start_peers(const std::string& list) {
  std::vector<std::unique_ptr<remote>> peers;
  std::string name;
  std::vector<std::string> command, settings;
  const auto start = [&] {
    if (name.empty()) return;
    auto peer = std::make_unique<remote>(name, command, settings);
    if (peer->alive()) peers.push_back(std::move(peer));
    command.clear(), settings.clear();
  };
  std::ifstream in(list);
  for (std::string line; std::getline(in, line);) {
    const std::string value = line.substr(std::min(line.find(' ') + 1, line.size()));
    if (line.rfind("name ", 0) == 0) start(), name = value;
    if (line.rfind("word ", 0) == 0) command.push_back(value);
    if (line.rfind("set ", 0) == 0) settings.push_back(value);
  }
  start();
  return peers;
}

}  // namespace bench
