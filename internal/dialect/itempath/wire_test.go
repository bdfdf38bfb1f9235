package itempath

import (
	"testing"

	"symbolon/internal/dialect/dialecttest"
)

// TestWire plays the exchanges of testdata/wire.
func TestWire(t *testing.T) {
	dialecttest.Play(t, func(t *testing.T) (*dialecttest.Kit, map[string]string) {
		return newEnv(t, nil).Kit, map[string]string{}
	})
}
