package keyring

import (
	"context"
	"crypto/rsa"
	"fmt"
	"time"
)

// job is one making of a legacy key; err may be read once done is closed.
type job struct {
	done chan struct{}
	err  error
}

const jobLimit = time.Minute

// Legacy returns the service's RSA key. It waits, as long as ctx allows, while the key is still being made; after a
// failure the next call tries again. A service that has none is ErrNoKey.
func (k *Keys) Legacy(ctx context.Context, service string) (*rsa.PrivateKey, error) {
	if e := k.set.Load().signing(service, Legacy); e != nil {
		return e.rsa, nil
	}
	if _, wanted := k.legacy[service]; !wanted {
		return nil, noKey(service, Legacy)
	}
	j := k.startLegacy(ctx, service)
	select {
	case <-j.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the legacy key of service %q: %w", service, ctx.Err())
	}
	if j.err != nil {
		return nil, fmt.Errorf("making the legacy key of service %q: %w", service, j.err)
	}
	e := k.set.Load().signing(service, Legacy)
	if e == nil {
		return nil, noKey(service, Legacy)
	}
	return e.rsa, nil
}

// startLegacy begins to make the key in the background, or joins who is at it. The work outlives the caller: others
// wait for it too.
func (k *Keys) startLegacy(ctx context.Context, service string) *job {
	k.jobMu.Lock()
	defer k.jobMu.Unlock()
	if j := k.jobs[service]; j != nil {
		return j
	}
	j := &job{done: make(chan struct{})}
	k.jobs[service] = j
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), jobLimit)
		defer cancel()
		j.err = k.ensure(ctx, k.legacy[service])
		k.jobMu.Lock()
		delete(k.jobs, service)
		k.jobMu.Unlock()
		close(j.done)
	}()
	return j
}
