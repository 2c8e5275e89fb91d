/*
 * For tests: a driver of USB readers behind each of which lies a slot of vpcd. pcscd loads it for the devices of tools/usb_readers.py, as it
 * loads libccid for real ones, and like libccid it tells on which device of which bus a reader is (SCARD_ATTR_CHANNEL_ID 0020BBDD) and that
 * a device is gone. In the folder PERSOLINE_READERS lie a copy of vpcd's driver for each TCP port, vpcd-PORT.so, and for each device a file
 * BUS-DEVICE with the port.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <PCSC/ifdhandler.h>
#include <PCSC/reader.h>

/* Lun: the reader in its upper half, the contact unit in its lower one. */
#define MOST 16
static struct reader {
	unsigned int bus, device, slots;
	char node[64];
	void *vpcd;
} readers[MOST];

static struct reader *reader_of(DWORD Lun)
{
	return &readers[(Lun >> 16) % MOST];
}

static int unplugged(const struct reader *reader)
{
	return access(reader->node, F_OK) != 0;
}

/* The same function of this reader's own copy of vpcd. */
static void *function(const struct reader *reader, const char *name)
{
	void *found = reader->vpcd == NULL ? NULL : dlsym(reader->vpcd, name);
	if (found == NULL)
		abort();
	return found;
}

#define VPCD(Lun, name, ...) ((RESPONSECODE(*)(__VA_ARGS__))function(reader_of(Lun), #name))

/* DeviceName: usb:VVVV/PPPP:libudev:INTERFACE:/dev/bus/usb/BUS/DEVICE (pcsc-lite, hotplug_libudev.c). */
RESPONSECODE IFDHCreateChannelByName(DWORD Lun, LPSTR DeviceName)
{
	struct reader *reader = reader_of(Lun);
	const char *node = strrchr(DeviceName, ':');
	const char *folder = getenv("PERSOLINE_READERS");
	char file[600], name[32];
	int port = 0;
	if (node == NULL || folder == NULL || strlen(node + 1) >= sizeof reader->node)
		return IFD_COMMUNICATION_ERROR;
	strcpy(reader->node, node + 1);
	/* Of the model with two contact units, the second one's card comes to the TCP port behind the first one's. */
	reader->slots = strstr(DeviceName, "/0003:") == NULL ? 1 : 2;
	if (sscanf(reader->node, "/dev/bus/usb/%u/%u", &reader->bus, &reader->device) != 2)
		return IFD_COMMUNICATION_ERROR;
	snprintf(file, sizeof file, "%s/%u-%u", folder, reader->bus, reader->device);
	FILE *said = fopen(file, "r");
	int read = said == NULL ? 0 : fscanf(said, "%d", &port);
	if (said != NULL)
		fclose(said);
	if (read != 1)
		return IFD_COMMUNICATION_ERROR;
	snprintf(file, sizeof file, "%s/vpcd-%d.so", folder, port);
	reader->vpcd = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (reader->vpcd == NULL)
		return IFD_COMMUNICATION_ERROR;
	snprintf(name, sizeof name, "/dev/null:0x%X", (unsigned int)port);
	return VPCD(Lun, IFDHCreateChannelByName, DWORD, LPSTR)(Lun & 0xFFFF, name);
}

/* Only for devices without a name: those of the USB have one. */
RESPONSECODE IFDHCreateChannel(DWORD Lun, DWORD Channel)
{
	(void)Lun;
	(void)Channel;
	return IFD_COMMUNICATION_ERROR;
}

RESPONSECODE IFDHCloseChannel(DWORD Lun)
{
	return VPCD(Lun, IFDHCloseChannel, DWORD)(Lun & 0xFFFF);
}

RESPONSECODE IFDHGetCapabilities(DWORD Lun, DWORD Tag, PDWORD Length, PUCHAR Value)
{
	RESPONSECODE (*get)(DWORD, DWORD, PDWORD, PUCHAR) =
		VPCD(Lun, IFDHGetCapabilities, DWORD, DWORD, PDWORD, PUCHAR);
	int small = Tag == TAG_IFD_SLOTS_NUMBER ? (int)reader_of(Lun)->slots
		: Tag == TAG_IFD_SIMULTANEOUS_ACCESS ? MOST
		: Tag == TAG_IFD_THREAD_SAFE ? 1 : -1;
	if (small >= 0 && *Length >= 1) {
		*Length = 1;
		*Value = (UCHAR)small;
		return IFD_SUCCESS;
	}
	if (Tag == SCARD_ATTR_CHANNEL_ID) {
		uint32_t value = 0x00200000 | reader_of(Lun)->bus << 8 | reader_of(Lun)->device;
		if (*Length < sizeof value)
			return IFD_ERROR_TAG;
		memcpy(Value, &value, sizeof value);
		*Length = sizeof value;
		return IFD_SUCCESS;
	}
	return get(Lun & 0xFFFF, Tag, Length, Value);
}

RESPONSECODE IFDHSetCapabilities(DWORD Lun, DWORD Tag, DWORD Length, PUCHAR Value)
{
	return VPCD(Lun, IFDHSetCapabilities, DWORD, DWORD, DWORD, PUCHAR)(Lun & 0xFFFF, Tag, Length, Value);
}

RESPONSECODE IFDHSetProtocolParameters(DWORD Lun, DWORD Protocol, UCHAR Flags, UCHAR PTS1, UCHAR PTS2,
	UCHAR PTS3)
{
	return VPCD(Lun, IFDHSetProtocolParameters, DWORD, DWORD, UCHAR, UCHAR, UCHAR, UCHAR)(
		Lun & 0xFFFF, Protocol, Flags, PTS1, PTS2, PTS3);
}

RESPONSECODE IFDHPowerICC(DWORD Lun, DWORD Action, PUCHAR Atr, PDWORD AtrLength)
{
	if (unplugged(reader_of(Lun)))
		return IFD_NO_SUCH_DEVICE;
	return VPCD(Lun, IFDHPowerICC, DWORD, DWORD, PUCHAR, PDWORD)(Lun & 0xFFFF, Action, Atr, AtrLength);
}

RESPONSECODE IFDHTransmitToICC(DWORD Lun, SCARD_IO_HEADER SendPci, PUCHAR TxBuffer, DWORD TxLength,
	PUCHAR RxBuffer, PDWORD RxLength, PSCARD_IO_HEADER RecvPci)
{
	if (unplugged(reader_of(Lun))) {
		*RxLength = 0;
		return IFD_NO_SUCH_DEVICE;
	}
	return VPCD(Lun, IFDHTransmitToICC, DWORD, SCARD_IO_HEADER, PUCHAR, DWORD, PUCHAR, PDWORD,
		PSCARD_IO_HEADER)(Lun & 0xFFFF, SendPci, TxBuffer, TxLength, RxBuffer, RxLength, RecvPci);
}

RESPONSECODE IFDHControl(DWORD Lun, DWORD dwControlCode, PUCHAR TxBuffer, DWORD TxLength, PUCHAR RxBuffer,
	DWORD RxLength, LPDWORD pdwBytesReturned)
{
	return VPCD(Lun, IFDHControl, DWORD, DWORD, PUCHAR, DWORD, PUCHAR, DWORD, LPDWORD)(
		Lun & 0xFFFF, dwControlCode, TxBuffer, TxLength, RxBuffer, RxLength, pdwBytesReturned);
}

RESPONSECODE IFDHICCPresence(DWORD Lun)
{
	RESPONSECODE (*presence)(DWORD) = VPCD(Lun, IFDHICCPresence, DWORD);
	return unplugged(reader_of(Lun)) ? IFD_NO_SUCH_DEVICE : presence(Lun & 0xFFFF);
}
