#include "telemetry/rebuilt_request.h"

namespace tomograph::telemetry {

std::string_view JoinBasisName(JoinBasis basis) {
  switch (basis) {
    case JoinBasis::kRoot:
      return "root";
    case JoinBasis::kId:
      return "id";
    case JoinBasis::kInferred:
      return "inferred";
    case JoinBasis::kUnknown:
      return "unknown";
  }
  return "";
}

std::string_view UnknownParentName(UnknownParent why) {
  switch (why) {
    case UnknownParent::kLost:
      return "lost";
    case UnknownParent::kNotFound:
      return "not_found";
    case UnknownParent::kNotLookedFor:
      return "not_looked_for";
    case UnknownParent::kClocks:
      return "sender_unknown";
    case UnknownParent::kFromQueue:
      return "from_queue";
  }
  return "";
}

std::string_view WholenessName(Wholeness w) {
  switch (w) {
    case Wholeness::kComplete:
      return "complete";
    case Wholeness::kIncomplete:
      return "incomplete";
    case Wholeness::kFragment:
      return "fragment";
  }
  return "";
}

Wholeness WholenessOf(const RebuiltRequest& request) {
  if (request.root().basis == JoinBasis::kUnknown) return Wholeness::kFragment;
  const bool all = request.lost + request.left_out + request.unanswered == 0;
  return all ? Wholeness::kComplete : Wholeness::kIncomplete;
}

}  // namespace tomograph::telemetry
