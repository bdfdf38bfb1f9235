package sesar

import (
	"testing"

	"symbolon/internal/config"
	"symbolon/internal/dialect/dialecttest"
)

// TestWire plays the exchanges of testdata/wire.
func TestWire(t *testing.T) {
	dialecttest.Play(t, func(t *testing.T) (*dialecttest.Kit, map[string]string) {
		e := newEnv(t, func(c *config.Service) { c.Sesar.MintByGet = false })
		e.setAttr("samples.user_codes", "MOB, A&B")
		issued := e.pair()
		key, _ := e.apiKey()
		return e.Kit, map[string]string{"access": issued.Access.Reveal(), "refresh": issued.Refresh.Reveal(), "key": key}
	})
}
