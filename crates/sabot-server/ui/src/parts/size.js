/** @file The size of an element as a value that follows it. */
import { useLayoutEffect, useRef, useState } from '../../vendor/preact-hooks.js';

/**
 * @template {HTMLElement} E
 * @returns {{ref: {current: E | null}, width: number, height: number}} sizes are 0 before the first measure
 */
export function useSize() {
  const ref = useRef(/** @type {E | null} */ (null));
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    const measure = () => setSize((old) => {
      const { clientWidth: width, clientHeight: height } = element;
      return old.width === width && old.height === height ? old : { width, height };
    });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return { ref, ...size };
}
