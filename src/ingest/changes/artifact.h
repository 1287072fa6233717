// The version in an artifact's name, as CDEvents' artifactId gives it.
#pragma once

#include <string>
#include <string_view>

namespace tomograph::ingest::changes {

/// "pkg:oci/cart@sha256%3Aab?tag=1.4" -> "1.4" (a tag says more to people than a digest),
/// "pkg:npm/cart@2.0.1" -> "2.0.1", "registry:5000/cart:v3" -> "v3"; else the whole text.
std::string VersionOfArtifact(std::string_view artifact);

}  // namespace tomograph::ingest::changes
