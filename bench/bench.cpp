// SPDX-License-Identifier: BSD-3-Clause
// sinter against limits that are measured in the same run, and against peers, all taking turns. Outputs are checked against
// double first; losses are printed like wins. bench/run.sh builds and runs it.
//   problems/  what the rows ask     rows/  sinter's statements     limits/  loops by hand     peers/  the same by others
#include "allocations.hpp"
#include "chart.hpp"
#include "limits/all.hpp"
#include "problems/all.hpp"
#include "remote.hpp"
#include "rows/ours.hpp"

namespace bench {
namespace {

struct options {
  std::string json, chart, peers, only;
  int turns = 30;
  bool wants(const std::string& id) const { return only.empty() || ("," + only + ",").find("," + id + ",") != std::string::npos; }
};

options parse(int argc, char** argv) {
  options o;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--quick") o.turns = 5;
    else if (name == "--json" && i + 1 < argc) o.json = argv[++i];
    else if (name == "--chart" && i + 1 < argc) o.chart = argv[++i];
    else if (name == "--peers" && i + 1 < argc) o.peers = argv[++i];
    else if (name == "--only" && i + 1 < argc) o.only = argv[++i];
    else {
      std::puts("usage: bench [--json FILE] [--chart FILE] [--peers LIST] [--only ID,...] [--quick]\nrows:");
      for (const entry& e : problems::all()) std::printf("  %s\n", e.id.c_str());
      std::exit(name == "--help" ? 0 : 2);
    }
  }
  return o;
}

/// Memory as a user's tensors have it.
std::shared_ptr<void> from_sinter(int64 bytes) {
  const auto t = sinter::empty<sinter::uint8>({bytes});
  return {t.data(), [t](void*) {}};
}

sinter::executor executor_of(int threads) {
#ifdef _OPENMP
  if (threads > 1) {
    omp_set_num_threads(threads);
    return sinter::openmp_executor();
  }
#endif
  (void)threads;
  return sinter::serial_executor();
}

row measure(const problem& p, std::vector<std::unique_ptr<remote>>& peers, int turns) {
  row r{p.id, p.what, 0, 0, "hand loop", p.bytes, p.flops, 0, p.threads};
  const bool products = p.flops > 0 && !(p.kind == "muladd" || p.kind == "muladd16");
  if (products) r.limit_kind = "FMA peak";
  const bool wide = p.in[0].wide;
  std::vector<candidate> all;

  const auto loops = limits::loops(p);
  for (const solution& s : loops) {
    const double error = checked_error(p, s);
    if (!(error <= std::max(p.tolerance, 1e-5))) {
      std::fprintf(stderr, "bench: %s: the hand loop is wrong by %g\n", p.id.c_str(), error);
      std::exit(1);
    }
    all.push_back(timed("limit", s.run, p.threads, p.repeat));
  }
  if (products) all.push_back(peak(wide, p.threads));
  const std::size_t limits = all.size();

  const sinter::executor_guard threads(executor_of(p.threads));
  for (const array& a : p.out)  // what the hand loop wrote proves nothing
    for (int64 i = 0; i < a.numel(); ++i)
      if (a.wide) a.as<double>()[i] = NAN;
      else a.as()[i] = NAN;
  const solution ours = ours::solve(p);
  if (ours) {
    r.max_error = checked_error(p, ours);
    if (!(r.max_error <= p.tolerance)) r.remark = "WRONG by " + text("%g", r.max_error) + ": not timed";
    else {
      for (int i = 0; i < 3; ++i) ours.run();
      const int64 before = allocations();
      ours.run();
      if (const int64 more = allocations() - before) r.remark = text("%.0f allocations in the steady state", static_cast<double>(more)) + (p.repeat > 1 ? " of " + std::to_string(p.repeat) + " statements" : "");
      all.push_back(timed("ours", ours.run, p.threads, p.repeat));
    }
  }
  const bool timed_ours = all.size() > limits;
  for (auto& peer : peers) {
    const auto first = peer->ask(p.id, 1);
    if (!first) continue;
    if (!(first->error <= std::max(10 * p.tolerance, 1e-4))) {
      r.remark += (r.remark.empty() ? "" : "; ") + peer->name + " is WRONG by " + text("%g", first->error);
      continue;
    }
    all.push_back({peer->name, [&peer, id = p.id](int64 calls) {
                     const auto a = peer->ask(id, calls);
                     return a ? a->ns : -1;
                   }});
  }

  const auto ns = race(all, turns, p.repeat);
  for (std::size_t i = 0; i < limits; ++i)
    if (all[i].name == "limit" && (r.limit_ns == 0 || ns[i] < r.limit_ns)) r.limit_ns = ns[i];
  if (products) r.limit_ns = ns[limits - 1] * r.flops / (p.threads * peak_flops(wide));
  if (timed_ours) r.ours_ns = ns[limits];
  if (timed_ours && ours.remark) r.remark = ours.remark() + (r.remark.empty() ? "" : "; ") + r.remark;
  for (std::size_t i = limits + timed_ours; i < all.size(); ++i)
    if (ns[i] > 0) r.peers[all[i].name] = ns[i];
  return r;
}

int run(const options& o) {
  const auto known = problems::all();
  for (std::size_t i = 0; i < o.only.size();) {  // an id nobody knows would measure nothing and say nothing
    const std::size_t end = std::min(o.only.find(',', i), o.only.size());
    const std::string id = o.only.substr(i, end - i);
    if (id != "compile" && std::none_of(known.begin(), known.end(), [&](const entry& e) { return e.id == id; })) {
      std::fprintf(stderr, "bench: no row %s; bench --help lists them\n", id.c_str());
      return 2;
    }
    i = end + 1;
  }
  allocate() = from_sinter;
  machine m;
  {
    const int64 n = 1 << 24;
    const auto a = sinter::ones<float>({n}), b = sinter::ones<float>({n});
    m = measure_machine(a.data(), b.data(), n, o.turns);
  }
  std::printf("%s, %s %s\nlimits of 1 and 2 threads:\n", m.cpu.c_str(), m.compiler.c_str(), m.flags.c_str());
  const auto limit = [&](const char* key, const char* what) {
    std::printf("  %7.1f %7.1f  %s\n", m.limits[key], m.limits[std::string(key) + "_2"], what);
  };
  limit("fma_gflops", "GFLOP/s of float multiply-adds"), limit("fma64_gflops", "GFLOP/s of double multiply-adds");
  limit("copy_gbs", "GB/s copying"), limit("stream_gbs", "GB/s copying with streaming stores"), limit("read_gbs", "GB/s reading");
  auto peers = start_peers(o.peers);
  std::printf("peers:%s\n", peers.empty() ? " none" : "");
  for (const auto& p : peers) {
    m.peers[p->name] = p->about;
    std::printf("  %-14s %s\n", p->name.c_str(), p->about.c_str());
  }
  std::printf("\n");

  std::vector<row> rows;
  for (const entry& e : known) {
    if (!o.wants(e.id)) continue;
    const problem p = e.make();
    if (p.threads > 1 && !has_threads()) continue;
    rows.push_back(measure(p, peers, o.turns));
    print(rows.back());
    if (!o.json.empty()) write_json(o.json, m, rows);
    if (!o.chart.empty()) write_chart(o.chart, m, rows);
  }
  if (rows.empty() && !o.json.empty()) write_json(o.json, m, rows);  // compile.sh adds to it
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run(bench::parse(argc, argv)); }
