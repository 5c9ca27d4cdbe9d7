/// \file What a hop decision says of itself, in sentences; of hop.cpp alone.
#pragma once
#include "security/hop.hpp"

namespace sealpost::security {

/// Fills `not_stronger`.
void say_why_not_stronger(const HopInput& in, HopDecision& d);
/// Fills `explanation`, and `side` and `remedy` where somebody should act.
void explain_attempt(const HopInput& in, HopDecision& d);

}  // namespace sealpost::security
