/*
 * A libnvidia-ml.so.1 that says whatever a script tells it to: for tests of our bindings, and what a host that hooks NVML would load.
 * The script (environment CELIUM_FAKE_NVML) has lines `key=value`; a missing key makes its call "not supported".
 *   driver, cuda, gpus, hang, and per device N: N.uuid, N.name, N.memory, N.used, N.mig, N.miginstances, N.mig0.., N.pciegen, N.pciemaxgen,
 *   N.pciewidth, N.pciemaxwidth, N.sm, N.maxsm, N.mem, N.maxmem, N.limit, N.defaultlimit, N.temperature, N.throttle, N.ecc, N.corrected,
 *   N.uncorrected, N.compute, N.graphics (both `PID:BYTES,PID:BYTES`), N.xid
 * Read anew at every call, so that a test can change it while the library is loaded. An Xid is told once per value.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, TIMED_OUT = 10 };
#define DEVICES 64
#define INSTANCES 8

typedef struct device { int index; int instance; } device;
typedef struct { unsigned int pid; uint64_t used; unsigned int gpu_instance, compute_instance; } process;
typedef struct { device *dev; uint64_t type, data; unsigned int gpu_instance, compute_instance; } event;

static device devices[DEVICES];
static device instances[DEVICES][INSTANCES];
static long long told[DEVICES];

static int find(const char *key, char *value, size_t room) {
  const char *path = getenv("CELIUM_FAKE_NVML");
  FILE *file = path == NULL ? NULL : fopen(path, "r");
  char line[8192];
  size_t length = strlen(key);
  int found = 0;
  if (file == NULL) return 0;
  while (!found && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\r\n")] = 0;
    if (strncmp(line, key, length) != 0 || line[length] != '=') continue;
    snprintf(value, room, "%s", line + length + 1);
    found = 1;
  }
  fclose(file);
  return found;
}

static int text(const char *key, char *out, unsigned int room) {
  char value[8192];
  if (!find(key, value, sizeof value)) return NOT_SUPPORTED;
  if (strlen(value) >= room) return INSUFFICIENT_SIZE;
  strcpy(out, value);
  return OK;
}

static int number(const char *key, uint64_t *out) {
  char value[8192];
  if (!find(key, value, sizeof value)) return NOT_SUPPORTED;
  *out = strtoull(value, NULL, 0);
  return OK;
}

static void name_of(const device *dev, const char *what, char *key, size_t room) { snprintf(key, room, "%d.%s", dev->index, what); }

static int device_text(const device *dev, const char *what, char *out, unsigned int room) {
  char key[64];
  name_of(dev, what, key, sizeof key);
  return text(key, out, room);
}

static int device_long(const device *dev, const char *what, uint64_t *out) {
  char key[64];
  name_of(dev, what, key, sizeof key);
  return number(key, out);
}

static int device_int(const device *dev, const char *what, unsigned int *out) {
  uint64_t value = 0;
  int result = device_long(dev, what, &value);
  if (result == OK) *out = (unsigned int)value;
  return result;
}

static int processes(const device *dev, const char *what, unsigned int *count, process *infos) {
  char value[8192];
  unsigned int room = *count, given = 0;
  if (device_text(dev, what, value, sizeof value) != OK) { *count = 0; return OK; }
  for (char *at = value; *at != 0;) {
    process one = {0};
    one.pid = (unsigned int)strtoul(at, &at, 10);
    if (*at == ':') one.used = *(at + 1) == '?' ? (at += 2, UINT64_MAX) : strtoull(at + 1, &at, 10);
    if (given < room) infos[given] = one;
    given += 1;
    if (*at == ',') at += 1; else break;
  }
  *count = given;
  return given > room ? INSUFFICIENT_SIZE : OK;
}

int nvmlInit_v2(void) {
  uint64_t hang = 0;
  for (int index = 0; index < DEVICES; index += 1) {
    devices[index] = (device){index, -1};
    for (int at = 0; at < INSTANCES; at += 1) instances[index][at] = (device){index, at};
  }
  while (number("hang", &hang) == OK && hang != 0) usleep(10000);
  uint64_t gpus = 0;
  return number("gpus", &gpus);
}
int nvmlShutdown(void) { return OK; }
int nvmlSystemGetDriverVersion(char *out, unsigned int room) { return text("driver", out, room); }
int nvmlSystemGetCudaDriverVersion_v2(int *out) {
  uint64_t value = 0;
  int result = number("cuda", &value);
  *out = (int)value;
  return result;
}
int nvmlDeviceGetCount_v2(unsigned int *out) {
  uint64_t value = 0;
  int result = number("gpus", &value);
  *out = (unsigned int)value;
  return result;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, device **out) {
  if (index >= DEVICES) return NOT_FOUND;
  *out = &devices[index];
  return OK;
}
int nvmlDeviceGetUUID(device *dev, char *out, unsigned int room) {
  char what[16] = "uuid";
  if (dev->instance >= 0) snprintf(what, sizeof what, "mig%d", dev->instance);
  return device_text(dev, what, out, room);
}
int nvmlDeviceGetName(device *dev, char *out, unsigned int room) { return device_text(dev, "name", out, room); }
int nvmlDeviceGetMemoryInfo(device *dev, uint64_t *out) {
  int result = device_long(dev, "memory", &out[0]);
  if (result != OK || device_long(dev, "used", &out[2]) != OK) return NOT_SUPPORTED;
  out[1] = out[0] - out[2];
  return OK;
}
int nvmlDeviceGetMigMode(device *dev, unsigned int *current, unsigned int *pending) {
  int result = device_int(dev, "mig", current);
  *pending = *current;
  return result;
}
int nvmlDeviceGetMaxMigDeviceCount(device *dev, unsigned int *out) { return device_int(dev, "miginstances", out); }
int nvmlDeviceGetMigDeviceHandleByIndex(device *dev, unsigned int index, device **out) {
  unsigned int count = 0;
  if (device_int(dev, "miginstances", &count) != OK || index >= count || index >= INSTANCES) return NOT_FOUND;
  *out = &instances[dev->index][index];
  return OK;
}
int nvmlDeviceGetCurrPcieLinkGeneration(device *dev, unsigned int *out) { return device_int(dev, "pciegen", out); }
int nvmlDeviceGetMaxPcieLinkGeneration(device *dev, unsigned int *out) { return device_int(dev, "pciemaxgen", out); }
int nvmlDeviceGetCurrPcieLinkWidth(device *dev, unsigned int *out) { return device_int(dev, "pciewidth", out); }
int nvmlDeviceGetMaxPcieLinkWidth(device *dev, unsigned int *out) { return device_int(dev, "pciemaxwidth", out); }
int nvmlDeviceGetClockInfo(device *dev, int kind, unsigned int *out) { return device_int(dev, kind == 1 ? "sm" : "mem", out); }
int nvmlDeviceGetMaxClockInfo(device *dev, int kind, unsigned int *out) { return device_int(dev, kind == 1 ? "maxsm" : "maxmem", out); }
int nvmlDeviceGetPowerManagementLimit(device *dev, unsigned int *out) { return device_int(dev, "limit", out); }
int nvmlDeviceGetPowerManagementDefaultLimit(device *dev, unsigned int *out) { return device_int(dev, "defaultlimit", out); }
int nvmlDeviceGetTemperature(device *dev, int kind, unsigned int *out) { return kind == 0 ? device_int(dev, "temperature", out) : NOT_SUPPORTED; }
int nvmlDeviceGetCurrentClocksThrottleReasons(device *dev, uint64_t *out) { return device_long(dev, "throttle", out); }
int nvmlDeviceGetEccMode(device *dev, unsigned int *current, unsigned int *pending) {
  int result = device_int(dev, "ecc", current);
  *pending = *current;
  return result;
}
int nvmlDeviceGetTotalEccErrors(device *dev, int kind, int counter, uint64_t *out) {
  return counter == 0 ? device_long(dev, kind == 0 ? "corrected" : "uncorrected", out) : NOT_SUPPORTED;
}
int nvmlDeviceGetComputeRunningProcesses_v3(device *dev, unsigned int *count, process *infos) { return processes(dev, "compute", count, infos); }
int nvmlDeviceGetGraphicsRunningProcesses_v3(device *dev, unsigned int *count, process *infos) { return processes(dev, "graphics", count, infos); }
int nvmlEventSetCreate(int **out) {
  static int set;
  *out = &set;
  return OK;
}
int nvmlDeviceRegisterEvents(device *dev, uint64_t types, int *set) { return dev != NULL && types == 8 && set != NULL ? OK : NOT_SUPPORTED; }
int nvmlEventSetWait_v2(int *set, event *out, unsigned int timeout_ms) {
  uint64_t count = 0, code = 0;
  if (set == NULL || timeout_ms != 0 || number("gpus", &count) != OK) return NOT_SUPPORTED;
  for (int index = 0; index < (int)count && index < DEVICES; index += 1) {
    if (device_long(&devices[index], "xid", &code) != OK || told[index] == (long long)code) continue;
    told[index] = (long long)code;
    *out = (event){&devices[index], 8, code, 0, 0};
    return OK;
  }
  return TIMED_OUT;
}
