/** @file The time as a value that ticks once a second, for ages and countdowns. */
import { useEffect, useState } from '../../vendor/preact-hooks.js';

/**
 * @param {boolean} [ticking] false freezes it and costs nothing
 * @returns {number} ms since 1970
 */
export function useNow(ticking = true) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!ticking) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [ticking]);
  return now;
}
