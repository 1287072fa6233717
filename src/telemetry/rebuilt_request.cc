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
    case JoinBasis::kNone:
      return "none";
  }
  return "";
}

}  // namespace tomograph::telemetry
