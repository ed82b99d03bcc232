"""A script that records the frames of a page in the browser, and the analysis of its records.

The script reads the frame numbers that ``live_camera`` draws, in the camera's frames and in the
displayed frames. To find the first annotated frame, it compares displayed frames with those of the
camera.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

#: Must run in every iframe of a page before the page's scripts. Times are milliseconds of the
#: iframe's clock.
PROBE = """
(() => {
  if (window.liveProbe) return;
  const CELLS = 24, CELL = 4, STRIP = 4;
  const SMALL_WIDTH = 320, SMALL_HEIGHT = 240, MAX_KEPT = 60;
  // A box with its label changes at least 200 pixels by this much, lossy coding about ten.
  const DIFFERENT = 120, DIFFERENT_PIXELS = 100;
  const probe = window.liveProbe = {
    clicked: null, firstShown: null, firstAnnotated: null, mostDifferent: 0,
    isComparing: true, sent: [], shown: [],
  };
  const canvas = (width, height) => {
    const made = document.createElement('canvas');
    made.width = width; made.height = height;
    return made.getContext('2d', {willReadFrequently: true});
  };
  const strip = canvas(CELLS * CELL, STRIP), small = canvas(SMALL_WIDTH, SMALL_HEIGHT);

  const decoded = (bits) => {
    if (!bits.startsWith('1011') || !bits.endsWith('0010')) return null;
    const number = parseInt(bits.slice(4, 16), 2), check = parseInt(bits.slice(16, 20), 2);
    return ((number ^ (number >> 4) ^ (number >> 8) ^ 5) & 15) === check ? number : null;
  };
  // The frame number and whether the picture is mirrored; null if there is no number.
  const read = (source, width, height) => {
    const thickness = height / 16;
    strip.drawImage(source, 0, height - 0.75 * thickness, width, thickness / 2,
                    0, 0, CELLS * CELL, STRIP);
    const pixels = strip.getImageData(0, 0, CELLS * CELL, STRIP).data;
    let bits = '';
    for (let cell = 0; cell < CELLS; cell++) {
      let sum = 0;
      for (const x of [1, 2]) for (const y of [1, 2])
        sum += pixels[(y * CELLS * CELL + cell * CELL + x) * 4 + 1];
      bits += sum / 4 > 125 ? '1' : '0';
    }
    const number = decoded(bits);
    if (number !== null) return {number, isMirrored: false};
    const mirrored = decoded([...bits].reverse().join(''));
    return mirrored === null ? null : {number: mirrored, isMirrored: true};
  };

  const kept = new Map();
  const shrunk = (source, isMirrored) => {
    small.setTransform(isMirrored ? -1 : 1, 0, 0, 1, isMirrored ? SMALL_WIDTH : 0, 0);
    small.drawImage(source, 0, 0, SMALL_WIDTH, SMALL_HEIGHT);
    return small.getImageData(0, 0, SMALL_WIDTH, SMALL_HEIGHT).data;
  };
  const keep = (source, number) => {
    kept.delete(number);
    kept.set(number, shrunk(source, false));
    if (kept.size > MAX_KEPT) kept.delete(kept.keys().next().value);
  };
  // The number of pixels above the strip that differ from the sent frame.
  const changed = (source, isMirrored) => {
    const now = shrunk(source, isMirrored);
    // Read from the same canvas: the video may already show its next frame.
    small.setTransform(1, 0, 0, 1, 0, 0);
    const found = read(small.canvas, SMALL_WIDTH, SMALL_HEIGHT);
    const before = found && kept.get(found.number);
    if (!before) return 0;
    let count = 0;
    const end = SMALL_WIDTH * Math.floor(SMALL_HEIGHT * 15 / 16 - 2) * 4;
    for (let i = 0; i < end; i += 4) {
      const difference = Math.abs(now[i] - before[i]) + Math.abs(now[i + 1] - before[i + 1])
        + Math.abs(now[i + 2] - before[i + 2]);
      if (difference > DIFFERENT) count++;
    }
    return count;
  };

  const watchCamera = async (track) => {
    const reader = new MediaStreamTrackProcessor({track: track.clone()}).readable.getReader();
    for (;;) {
      const {value: frame, done} = await reader.read();
      if (done) return;
      const at = performance.now();
      const found = read(frame, frame.displayWidth, frame.displayHeight);
      if (found) {
        probe.sent.push([at, found.number]);
        if (probe.isComparing && probe.firstAnnotated === null) keep(frame, found.number);
      }
      frame.close();
    }
  };
  const devices = navigator.mediaDevices;
  const open = devices && devices.getUserMedia.bind(devices);
  if (open) devices.getUserMedia = async (constraints) => {
    const stream = await open(constraints);
    for (const track of stream.getVideoTracks()) watchCamera(track);
    return stream;
  };

  const watchScreen = (video) => {
    if (video.isProbed) return;
    video.isProbed = true;
    const next = () => {
      const at = performance.now();
      const found = video.videoWidth ? read(video, video.videoWidth, video.videoHeight) : null;
      if (found) {
        probe.shown.push([at, found.number]);
        probe.firstShown ??= at;
        if (probe.isComparing && probe.firstAnnotated === null) {
          const count = changed(video, found.isMirrored);
          probe.mostDifferent = Math.max(probe.mostDifferent, count);
          if (count >= DIFFERENT_PIXELS) { probe.firstAnnotated = at; kept.clear(); }
        }
      }
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  };
  // A timer, because videos appear later, and the window first has an empty document, which that of
  // the page replaces.
  let known = null;
  setInterval(() => {
    if (document !== known) {
      known = document;
      document.addEventListener('click', () => { probe.clicked ??= performance.now(); }, true);
    }
    document.querySelectorAll('video').forEach(watchScreen);
  }, 50);
})();
"""

FrameTimes = Sequence[tuple[float, int]]


@dataclass(frozen=True)
class Playback:
    """The playback of a stream during a period.

    Attributes:
        seconds: The length of the period.
        new_frames: Number of displayed frames with new content; repeated frames do not count.
        delays: From the camera to the screen, in milliseconds, of each new frame that was also read
            at the camera.
        longest_pause: The longest time without a new frame, in milliseconds.
    """

    seconds: float
    new_frames: int
    delays: tuple[float, ...]
    longest_pause: float

    @property
    def new_frames_per_second(self) -> float:
        """New frames per second."""
        return self.new_frames / self.seconds


def playback(sent: FrameTimes, shown: FrameTimes, start: float, end: float) -> Playback:
    """Analyze the records of the script.

    Args:
        sent: Time and number of every frame of the camera.
        shown: Time and number of every displayed frame, repeated ones included.
        start: Start of the period, in milliseconds.
        end: End of the period, in milliseconds.
    """
    sent_times: dict[int, list[float]] = {}
    for moment, number in sent:
        sent_times.setdefault(number, []).append(moment)
    # A delay of a whole loop of the video or more is invalid: the frame was missed at the camera,
    # and its number matches that of the previous loop.
    loop_length = min(
        (later - before for times in sent_times.values() for before, later in pairwise(times)),
        default=math.inf,
    )
    last_number = next((number for moment, number in reversed(shown) if moment < start), None)
    new_times: list[float] = []
    delays: list[float] = []
    for moment, number in shown:
        if not start <= moment <= end or number == last_number:
            continue
        last_number = number
        new_times.append(moment)
        earlier_count = bisect.bisect_right(sent_times.get(number, []), moment)
        if not earlier_count:
            continue
        delay = moment - sent_times[number][earlier_count - 1]
        if delay < loop_length:
            delays.append(delay)
    edges = [start, *new_times, end]
    longest = max(later - before for before, later in pairwise(edges))
    return Playback((end - start) / 1000, len(new_times), tuple(delays), longest)
