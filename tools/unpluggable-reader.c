/*
 * For tests: vpcd's driver as a reader of one slot that can be unplugged while pcscd runs, and that says on which USB device it is, as
 * libccid does. Beside this library lie a copy of vpcd's for each reader, vpcd-N.so, and two files that a test writes:
 *
 *   reader-N.unplugged   there: the reader is gone, and whatever is asked of it fails as a USB device that is gone does
 *   reader-N.channel     SCARD_ATTR_CHANNEL_ID in hexadecimal, 0020BBDD: USB bus BB, device DD
 *
 * pcscd notices at its next look or when it is told to ("pcscd --hotplug").
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

/* One library for all readers, as libccid is, so that pcscd numbers them: reader N is the one whose TCP port is N. */
#define MOST 16
static struct reader {
	int port;
	void *vpcd;
} readers[MOST];
static char folder[512];

static struct reader *reader_of(DWORD Lun)
{
	return &readers[(Lun >> 16) % MOST];
}

static const char *beside(char *into, size_t room, const char *prefix, int port, const char *suffix)
{
	snprintf(into, room, "%s/%s-%d%s", folder, prefix, port, suffix);
	return into;
}

static int unplugged(const struct reader *reader)
{
	char file[600];
	return access(beside(file, sizeof file, "reader", reader->port, ".unplugged"), F_OK) == 0;
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

/* DeviceName: /dev/null:0xPORT, as vpcd has it. */
RESPONSECODE IFDHCreateChannelByName(DWORD Lun, LPSTR DeviceName)
{
	struct reader *reader = reader_of(Lun);
	const char *port = strchr(DeviceName, ':');
	char library[600];
	Dl_info here;
	if (port == NULL || dladdr((void *)function, &here) == 0 || strlen(here.dli_fname) >= sizeof folder)
		return IFD_COMMUNICATION_ERROR;
	strcpy(folder, here.dli_fname);
	*strrchr(folder, '/') = 0;
	reader->port = (int)strtol(port + 1, NULL, 16);
	if (unplugged(reader))
		return IFD_NO_SUCH_DEVICE;
	reader->vpcd = dlopen(beside(library, sizeof library, "vpcd", reader->port, ".so"), RTLD_NOW | RTLD_LOCAL);
	if (reader->vpcd == NULL)
		return IFD_COMMUNICATION_ERROR;
	return VPCD(Lun, IFDHCreateChannelByName, DWORD, LPSTR)(Lun, DeviceName);
}

/* Only for devices without a name, which the configuration of these tests does not have. */
RESPONSECODE IFDHCreateChannel(DWORD Lun, DWORD Channel)
{
	(void)Lun;
	(void)Channel;
	return IFD_COMMUNICATION_ERROR;
}

RESPONSECODE IFDHCloseChannel(DWORD Lun)
{
	return VPCD(Lun, IFDHCloseChannel, DWORD)(Lun);
}

RESPONSECODE IFDHGetCapabilities(DWORD Lun, DWORD Tag, PDWORD Length, PUCHAR Value)
{
	RESPONSECODE (*get)(DWORD, DWORD, PDWORD, PUCHAR) =
		VPCD(Lun, IFDHGetCapabilities, DWORD, DWORD, PDWORD, PUCHAR);
	int small = Tag == TAG_IFD_SLOTS_NUMBER ? 1
		: Tag == TAG_IFD_SIMULTANEOUS_ACCESS ? MOST
		: Tag == TAG_IFD_THREAD_SAFE ? 1 : -1;
	if (small >= 0 && *Length >= 1) {
		*Length = 1;
		*Value = (UCHAR)small;
		return IFD_SUCCESS;
	}
	if (Tag == SCARD_ATTR_CHANNEL_ID) {
		char file[600];
		unsigned int channel = 0;
		FILE *said = fopen(beside(file, sizeof file, "reader", reader_of(Lun)->port, ".channel"), "r");
		int read = said == NULL ? 0 : fscanf(said, "%x", &channel);
		if (said != NULL)
			fclose(said);
		if (read != 1 || *Length < sizeof(uint32_t))
			return IFD_ERROR_TAG;
		uint32_t value = channel;
		memcpy(Value, &value, sizeof value);
		*Length = sizeof value;
		return IFD_SUCCESS;
	}
	return get(Lun, Tag, Length, Value);
}

RESPONSECODE IFDHSetCapabilities(DWORD Lun, DWORD Tag, DWORD Length, PUCHAR Value)
{
	return VPCD(Lun, IFDHSetCapabilities, DWORD, DWORD, DWORD, PUCHAR)(Lun, Tag, Length, Value);
}

RESPONSECODE IFDHSetProtocolParameters(DWORD Lun, DWORD Protocol, UCHAR Flags, UCHAR PTS1, UCHAR PTS2,
	UCHAR PTS3)
{
	return VPCD(Lun, IFDHSetProtocolParameters, DWORD, DWORD, UCHAR, UCHAR, UCHAR, UCHAR)(
		Lun, Protocol, Flags, PTS1, PTS2, PTS3);
}

RESPONSECODE IFDHPowerICC(DWORD Lun, DWORD Action, PUCHAR Atr, PDWORD AtrLength)
{
	if (unplugged(reader_of(Lun)))
		return IFD_NO_SUCH_DEVICE;
	return VPCD(Lun, IFDHPowerICC, DWORD, DWORD, PUCHAR, PDWORD)(Lun, Action, Atr, AtrLength);
}

RESPONSECODE IFDHTransmitToICC(DWORD Lun, SCARD_IO_HEADER SendPci, PUCHAR TxBuffer, DWORD TxLength,
	PUCHAR RxBuffer, PDWORD RxLength, PSCARD_IO_HEADER RecvPci)
{
	if (unplugged(reader_of(Lun))) {
		*RxLength = 0;
		return IFD_NO_SUCH_DEVICE;
	}
	return VPCD(Lun, IFDHTransmitToICC, DWORD, SCARD_IO_HEADER, PUCHAR, DWORD, PUCHAR, PDWORD,
		PSCARD_IO_HEADER)(Lun, SendPci, TxBuffer, TxLength, RxBuffer, RxLength, RecvPci);
}

RESPONSECODE IFDHControl(DWORD Lun, DWORD dwControlCode, PUCHAR TxBuffer, DWORD TxLength, PUCHAR RxBuffer,
	DWORD RxLength, LPDWORD pdwBytesReturned)
{
	return VPCD(Lun, IFDHControl, DWORD, DWORD, PUCHAR, DWORD, PUCHAR, DWORD, LPDWORD)(
		Lun, dwControlCode, TxBuffer, TxLength, RxBuffer, RxLength, pdwBytesReturned);
}

RESPONSECODE IFDHICCPresence(DWORD Lun)
{
	RESPONSECODE (*presence)(DWORD) = VPCD(Lun, IFDHICCPresence, DWORD);
	return unplugged(reader_of(Lun)) ? IFD_NO_SUCH_DEVICE : presence(Lun);
}
