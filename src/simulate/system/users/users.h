// Users: who asks from outside. YAML `users: [{name, rate, wave, operations, sessions}]`.
//
// Requests (or sessions) arrive as a Poisson process of rate r (1 + depth sin(2 pi t / period)),
// thinned from its greatest rate (Lewis & Shedler 1979). Each picks an operation by share. With
// `sessions` an arrival is one of `population` users, who asks for a geometric number of `pages`
// with time to `think` in between, having got the answer or not. Users wait for answers without
// end, do not retry, and are not instrumented: the services' spans are the roots.
// Truth each second, entity the group: user_requests, user_failed (that ended, of these failed) and
// user_time (s, their mean; 0 when there are none).
// Fault of a group: overload (`by` times as many arrivals; those that would have come anyway come
// as they would have).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "simulate/system/part.h"

namespace tomograph::simulate {

class Users : public Part {
 public:
  Users(Section* root, World* world);
  ~Users() override;
  Status Link(World* world) override;
  void Start() override;
  bool Takes(const Fault& fault) const override;
  void Apply(const Fault& fault, bool begins) override;
  void Second(Nanos end) override;

 private:
  class Group;
  std::vector<std::unique_ptr<Group>> groups_;
};

}  // namespace tomograph::simulate
