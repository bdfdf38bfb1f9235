//go:build !linux

package app

import "runtime/debug"

// shrink gives back the memory that only the start needed.
func shrink() { debug.FreeOSMemory() }
