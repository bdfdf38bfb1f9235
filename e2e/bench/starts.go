//go:build e2e

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"symbolon/e2e/load"
)

// starts is what a server costs before anybody asks, and after everybody did.
type starts struct {
	empty, again []time.Duration // from its start to its first line: on an empty folder, and once more on that
	idle, loaded int64           // bytes resident
	binary       int64           // bytes
}

const coldStarts = 9

// startCold starts servers and ends them.
func (b *bench) startCold() error {
	info, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	b.started.binary = info.Size()
	for i := range coldStarts {
		dir := filepath.Join(b.dir, fmt.Sprint("cold-", i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		for _, times := range []*[]time.Duration{&b.started.empty, &b.started.again} {
			s, err := load.Start(b.binary, dir, b.settings("warn", ""))
			if err != nil {
				return err
			}
			*times = append(*times, s.Took)
			time.Sleep(time.Second / 2) // what a start leaves behind it is then done
			if b.started.idle, err = s.Resident(); err != nil {
				return err
			}
			if err := s.Stop(); err != nil {
				return err
			}
		}
	}
	slices.Sort(b.started.empty)
	slices.Sort(b.started.again)
	return nil
}

// ended notes the memory of the server after all that.
func (b *bench) ended() (starts, error) {
	var err error
	b.started.loaded, err = b.server.Resident()
	return b.started, err
}
