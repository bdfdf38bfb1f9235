package sqlstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"symbolon/internal/audit"
	"symbolon/internal/token"
)

// epochJump is how many grant numbers a new epoch leaves out: more than can have been given between backup and restore.
const epochJump = 1 << 32

// EpochVerb begins an epoch.
type EpochVerb struct {
	By       token.Caller
	Now      time.Time
	KeepKeys bool // API keys and signing keys stay: none was revoked or removed since the backup
}

// NewEpoch begins another history after a restore: numbers given out since the backup are never given again, API keys end,
// the next start makes new signing keys, and every token issued before the next full second is refused, since tokens know
// their birth to the second: whoever calls waits for it. It returns the feed's new position.
func (s *Store) NewEpoch(ctx context.Context, ev EpochVerb) (token.Position, error) {
	var p token.Position
	err := s.write(ctx, "beginning epoch", ev.By, ev.Now, func(v *verb) (err error) {
		if p, err = readPosition(v); err != nil {
			return fmt.Errorf("reading epoch: %w", err)
		}
		if _, err := v.Exec(upsertMeta, "epoch", strconv.FormatInt(p.Epoch+1, 10)); err != nil {
			return fmt.Errorf("storing epoch: %w", err)
		}
		if err := v.endHistory(p.Epoch+1, ev.KeepKeys); err != nil {
			return err
		}
		if err := v.dropKeys(ev.KeepKeys); err != nil {
			return err
		}
		if err := v.store.db.JumpGrants(v, epochJump); err != nil {
			return fmt.Errorf("jumping grant numbers: %w", err)
		}
		at, err := v.turn()
		if err != nil {
			return err
		}
		if err := v.setNotBefore("", at.Truncate(time.Second).Add(time.Second)); err != nil {
			return err
		}
		if _, err := v.Exec(`DELETE FROM resets`); err != nil { // one may have been used since the backup
			return fmt.Errorf("removing reset links: %w", err)
		}
		if err := v.note(audit.EpochBegun, audit.Event{Detail: fmt.Sprintf("epoch %d", p.Epoch+1)}); err != nil {
			return err
		}
		if _, err := v.publish(); err != nil {
			return err
		}
		p, err = readPosition(v)
		return err
	})
	if err != nil {
		return token.Position{}, err
	}
	return p, nil
}

// endHistory says of the grants of the history that ends what not_before says of their tokens, for who sees only that:
// those that are there have ended, but for service keys, whose secrets are the configuration's, and for API keys that are
// kept, whose new tokens are good; those given out since the backup, whose numbers are among the ones left out now, are
// noted as lost.
func (v *verb) endHistory(epoch int64, keepKeys bool) error {
	const endAll = `UPDATE grants SET revoked_at = $1, revoked_reason = 'restored from a backup',
		dead_at = CASE WHEN kind = 'application' THEN $1 ELSE dead_at END
		WHERE revoked_at IS NULL AND kind <> 'servicekey' AND kind <> $2`
	kept := ""
	if keepKeys {
		kept = string(token.APIKey)
	}
	if _, err := v.Exec(endAll, millis(v.now), kept); err != nil {
		return fmt.Errorf("ending the grants of the former history: %w", err)
	}
	top, err := value[int64](v.QueryRow(`SELECT COALESCE(MAX(id), 0) FROM grants`))
	if err != nil {
		return fmt.Errorf("reading highest grant: %w", err)
	}
	_, err = v.Exec(`INSERT INTO lost_grants (epoch, first_id, last_id) VALUES ($1, $2, $3)`, epoch, top+1, top+epochJump)
	if err != nil {
		return fmt.Errorf("noting lost grants: %w", err)
	}
	return nil
}

// dropKeys removes the signing keys: one may have been removed since the backup because it was stolen, and nothing that
// the others signed is good any more. The next start makes new ones, and takes in the pinned ones that are configured.
func (v *verb) dropKeys(keep bool) error {
	if keep {
		return nil
	}
	keys, err := collect(v, scanKey, `SELECT `+keyColumns+` FROM signing_keys WHERE state <> 'gone' AND purpose <> 'mac' ORDER BY id`)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	for _, k := range keys {
		if err := v.erase(k); err != nil {
			return err
		}
	}
	return nil
}

// setNotBefore refuses a service's tokens ("" for all) issued before at. It moves only forward.
func (v *verb) setNotBefore(service string, at time.Time) error {
	const raise = `INSERT INTO not_before (service, at) VALUES ($1, $2)
		ON CONFLICT (service) DO UPDATE SET at = excluded.at WHERE not_before.at < excluded.at`
	res, err := v.Exec(raise, service, millis(at))
	if err != nil {
		return fmt.Errorf("setting not_before: %w", err)
	}
	moved, err := res.RowsAffected()
	if err == nil && moved > 0 {
		v.feed = append(v.feed, token.Entry{Kind: token.EntryNotBefore, Service: service, At: at})
	}
	return err
}
