// The name is the one that the generated packages import each other by.
module wit_component

go 1.25

// What the generated packages have in common.
require go.bytecodealliance.org/pkg v0.2.2
